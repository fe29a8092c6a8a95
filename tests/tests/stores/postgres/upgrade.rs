use crate::engine::Engine;

/// A step of the tables' history that was edited after it was released would show here.
#[tokio::test]
async fn a_new_schema_and_one_brought_up_are_the_same() {
    let (Some(old), Some(new)) = (Engine::postgres().await, Engine::postgres().await) else { return };
    old.restore_version_1().await;
    let before = shape(&old).await;
    old.store().await;
    new.store().await;
    let after = shape(&old).await;
    assert_eq!(after, shape(&new).await);
    assert_ne!(before, after, "version 1 is not the newest");
}

/// Replicas of version 1 go on working beside this one: whatever their statements name is there, as it was, and nothing
/// that came since must be said.
#[tokio::test]
async fn what_version_1_writes_with_is_all_there() {
    let Some(engine) = Engine::postgres().await else { return };
    engine.restore_version_1().await;
    let before = shape(&engine).await;
    engine.store().await;
    let after = shape(&engine).await;
    let (columns, indexes) = (before.columns.iter(), before.indexes.iter());
    for column in columns {
        assert!(after.columns.contains(column), "{column} is another");
    }
    // What an insert settles conflicts by.
    for index in indexes.filter(|index| index.contains("UNIQUE")) {
        assert!(after.indexes.contains(index), "{index} is another");
    }
    for column in after.columns.iter().filter(|column| !before.columns.contains(column)) {
        let is_in_new_table = !before.columns.iter().any(|old| old.split('.').next() == column.split('.').next());
        assert!(is_in_new_table || !column.contains("NOT NULL without default"), "{column} must be said");
    }
    let Engine::Postgres { server, schema } = &engine else { return };
    let row = server.connect(schema).await.query_one("SELECT version, oldest FROM version", &[]).await.unwrap();
    assert!(row.get::<_, i32>(0) > 1);
    assert_eq!(row.get::<_, i32>(1), 1, "and it may start again, too");
}

/// All that makes up the tables.
#[derive(Debug, PartialEq)]
struct Shape {
    columns: Vec<String>,
    indexes: Vec<String>,
    settings: Vec<String>,
}

async fn shape(engine: &Engine) -> Shape {
    let Engine::Postgres { server, schema } = engine else { panic!("of PostgreSQL") };
    let all = async |sql: &str| {
        let rows = server.connect(schema).await.query(sql, &[schema]).await.unwrap();
        rows.iter().map(|row| row.get::<_, String>(0).replace(schema, "s")).collect::<Vec<_>>()
    };
    Shape {
        columns: all("SELECT table_name || '.' || column_name || ' ' || data_type || CASE
                WHEN is_nullable = 'YES' THEN '' WHEN column_default IS NULL THEN ' NOT NULL without default'
                ELSE ' NOT NULL default ' || column_default END
            FROM information_schema.columns WHERE table_schema = $1 ORDER BY 1")
        .await,
        indexes: all("SELECT indexdef FROM pg_indexes WHERE schemaname = $1 ORDER BY 1").await,
        settings: all("SELECT relname || ' ' || coalesce(reloptions::text, '') FROM pg_class
            WHERE relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = $1) AND relkind = 'r' ORDER BY 1")
        .await,
    }
}
