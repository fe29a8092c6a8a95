use super::*;

fn pairs(text: &str, format: Format) -> Vec<(usize, String, String)> {
    let rows = read(text, format).unwrap();
    rows.iter().map(|row| (row.line, row.subject.as_str().to_owned(), row.identity.as_str().to_owned())).collect()
}

fn refused(text: &str, format: Format) -> String {
    read(text, format).unwrap_err().to_string()
}

#[test]
fn columns_are_found_by_their_names() {
    let row = |line, subject: &str, identity: &str| (line, subject.to_owned(), identity.to_owned());
    let plain = "subject,identityId\nalice,person-1\r\n\nbob,person-2\n";
    assert_eq!(pairs(plain, Format::Csv), [row(2, "alice", "person-1"), row(4, "bob", "person-2")]);
    let turned = "\u{feff}note,Identity_Id,\"Subject\"\nx,person-1,\"a, \"\"b\"\"\"\n";
    assert_eq!(pairs(turned, Format::Csv), [row(2, "a, \"b\"", "person-1")]);
    let lines = "{\"subject\":\"alice\",\"identityId\":\"person-1\",\"more\":1}\n";
    assert_eq!(pairs(lines, Format::Jsonl), [row(1, "alice", "person-1")]);
    assert_eq!(pairs("", Format::Jsonl), []);
}

#[test]
fn a_line_that_can_not_be_read_is_named_and_not_repeated() {
    for names in ["", "alice,person-1\n", "subject\nalice\n", "subject,identity\n", "subject,identityId\"\n"] {
        read(names, Format::Csv).unwrap_err();
    }
    for line in
        ["canary", "canary,", ",canary", "canary,a b", "\"canary,x", "can\"ary,x", "\"canary\"x,y", "canary,\"\""]
    {
        let said = refused(&format!("subject,identityId\nbob,x\n{line}\n"), Format::Csv);
        assert!(said.starts_with("line 3: ") && !said.contains("canary"), "{line}: {said}");
    }
    for line in ["canary", "[]", "{\"subject\":\"canary\"}", "{\"subject\":1,\"identityId\":\"canary\"}"] {
        let said = refused(line, Format::Jsonl);
        assert!(said.starts_with("line 1: ") && !said.contains("canary"), "{line}: {said}");
    }
}

#[test]
fn the_name_of_a_file_says_its_format() {
    assert_eq!(Format::of("people.CSV"), Some(Format::Csv));
    assert_eq!(Format::of("/tmp/people.jsonl"), Some(Format::Jsonl));
    assert_eq!((Format::of("-"), Format::of("people.txt")), (None, None));
}
