use super::*;

#[test]
fn a_zero_is_replaced_and_a_backslash_before_u0000_is_not() {
    for (row, expected) in [
        (r#"{"kind":"plain"}"#, r#"{"kind":"plain"}"#),
        (r#"{"kind":"a\u0000b"}"#, r#"{"kind":"a\ufffdb"}"#),
        (r#"{"kind":"a\\u0000b"}"#, r#"{"kind":"a\\u0000b"}"#),
        (r#"{"kind":"\\\u0000\"\u0000"}"#, r#"{"kind":"\\\ufffd\"\ufffd"}"#),
    ] {
        assert_eq!(without_zero(row.to_owned()), expected);
    }
}

/// What SQLite writes for such a text is what is replaced.
#[test]
fn sqlite_writes_a_zero_as_an_escape() {
    let conn = Connection::open_in_memory().unwrap();
    let row: String = conn.query_row("SELECT json_object('kind', ?)", ["a\0b\\u0000"], |row| row.get(0)).unwrap();
    assert_eq!(without_zero(row), r#"{"kind":"a\ufffdb\\u0000"}"#);
}

/// A column that is added to the schema has to be copied, or left out on purpose.
#[test]
fn every_column_of_every_table_is_copied() {
    let mut conn = Connection::open_in_memory().unwrap();
    schema::create(&mut conn).unwrap();
    let mut columns = conn
        .prepare(
            "SELECT m.name, c.name FROM sqlite_master m, pragma_table_info(m.name) c
            WHERE m.type = 'table' AND m.name <> 'sqlite_sequence'",
        )
        .unwrap();
    let columns = columns.query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?))).unwrap();
    let mut seen = 0;
    for column in columns {
        let (table, column) = column.unwrap();
        // SQLite's own number of the row; nothing refers to it.
        if (table.as_str(), column.as_str()) == ("confirmation", "id") {
            continue;
        }
        let copied = TABLES.iter().find(|copied| copied.name == table).expect(&table);
        let is_renamed = copied.renamed.iter().any(|(_, expression)| expression.contains(&column));
        let mut names = copied.plain.split_whitespace().chain(copied.bytes.split_whitespace());
        let is_copied = is_renamed || names.any(|name| name == column);
        assert!(is_copied, "{table}.{column}");
        seen += 1;
    }
    assert!(seen > 80, "{seen}");
}
