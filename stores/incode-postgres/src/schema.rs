//! The tables, and what is asked of a server before it is used.

use std::time::Duration;

use incode_core::store::{StoreErrorKind, hub};

use super::connection::{Connection, Target};
use super::error::Failure;
use super::rows::{self, get};

/// Looks at the server, makes the tables where there are none, and returns the key of the change channel.
///
/// No lock keeps two processes apart that do so at once: any role could hold it. The server's own catalogue does: it takes
/// each name once, and the process that loses looks again.
pub(crate) async fn prepare(connection: &Connection) -> Result<[u8; 32], Failure> {
    let mut attempts = 0;
    loop {
        attempts += 1;
        let made = match look(connection).await? {
            State::Ready => return key(connection).await,
            State::Empty { has_schema } => create(connection, has_schema, VERSION, None).await,
        };
        match made {
            Err(failure) if failure.is_made_already() && attempts < ATTEMPTS => {
                connection.execute("ROLLBACK").await?;
                tokio::time::sleep(WAIT).await;
            }
            made => made?,
        }
    }
}

/// What a schema is before it is used.
pub(crate) enum State {
    Empty { has_schema: bool },
    Ready,
}

/// Looks at the schema before the first write: whether it is there, of which version, and which rights are missing.
pub(crate) async fn look(connection: &Connection) -> Result<State, Failure> {
    // One row also where the schema is missing: each part is its own query of the catalogue.
    let sql = "SELECT current_setting('server_encoding'), current_setting('fsync') = 'on',
        (SELECT has_schema_privilege(oid, 'USAGE') AND has_schema_privilege(oid, 'CREATE')
            FROM pg_namespace WHERE nspname = $1),
        has_database_privilege(current_database(), 'CREATE'),
        (SELECT count(*) FROM pg_class JOIN pg_namespace n ON n.oid = relnamespace
            WHERE nspname = $1 AND relkind IN ('r', 'p')),
        (SELECT count(*) FROM pg_class JOIN pg_namespace n ON n.oid = relnamespace
            WHERE nspname = $1 AND relname = 'meta'),
        (SELECT has_schema_privilege(oid, 'USAGE') FROM pg_namespace WHERE nspname = $1)";
    let schema = &*connection.target.schema;
    let answers = connection.pipeline("", &[(sql, params![schema])], "").await?;
    let row = answers.first().ok_or_else(|| Failure::unreadable("answer"))?.row()?;
    let encoding: &str = get(row, 0)?;
    if encoding != "UTF8" {
        let cause = format!("the database's encoding is {encoding}: create one with ENCODING 'UTF8'");
        return Err(Failure::failed(cause));
    }
    if !get::<bool>(row, 1)? {
        tracing::warn!("the PostgreSQL server runs without fsync: a crash of its machine loses acknowledged events");
    }
    let may_create_here: Option<bool> = get(row, 2)?;
    let missing = |what: &str| Err(Failure::failed(format!("the role lacks a right (SQLSTATE 42501): {what}")));
    match (rows::number(row, 4)?, rows::number(row, 5)?) {
        (0, _) => match (may_create_here, get(row, 3)?) {
            (Some(true), _) => Ok(State::Empty { has_schema: true }),
            (None, true) => Ok(State::Empty { has_schema: false }),
            (None, false) => missing("CREATE on the database, or a schema of its own (CREATE SCHEMA .. AUTHORIZATION)"),
            (Some(false), _) => missing("USAGE and CREATE on the schema"),
        },
        (_, 0) => Err(Failure::new(StoreErrorKind::Incompatible, "the schema belongs to another program")),
        _ if get::<Option<bool>>(row, 6)? != Some(true) => missing("USAGE on the schema"),
        _ => Ok(State::Ready),
    }
}

/// Of a schema that has tables: is it of this version, and may the role use it?
async fn key(connection: &Connection) -> Result<[u8; 32], Failure> {
    // A list of rights means "any of them", so each is asked for by itself.
    let rights = "SELECT relname FROM pg_class JOIN pg_namespace n ON n.oid = relnamespace
        WHERE nspname = $1 AND relkind = 'r' AND NOT (has_table_privilege(pg_class.oid, 'SELECT')
            AND has_table_privilege(pg_class.oid, 'INSERT') AND has_table_privilege(pg_class.oid, 'UPDATE')
            AND has_table_privilege(pg_class.oid, 'DELETE')) LIMIT 1";
    let schema = &*connection.target.schema;
    let answers = connection.pipeline("", &[(rights, params![schema])], "").await?;
    if let Some(row) = answers.first().and_then(|answer| answer.rows.first()) {
        let table: &str = get(row, 0)?;
        let cause = format!("the role lacks a right (SQLSTATE 42501) on the table {table}");
        return Err(Failure::failed(cause));
    }
    let meta = "SELECT name, value FROM incode.meta WHERE name IN ('version', 'channel key')";
    let answers = connection.pipeline("", &[(meta, params![])], "").await?;
    let (mut version, mut key) = (None, None);
    for row in answers.iter().flat_map(|answer| &answer.rows) {
        match get(row, 0)? {
            "version" => version = Some(get::<&[u8]>(row, 1)?),
            _ => key = Some(rows::bytes(row, 1)?),
        }
    }
    match version {
        Some(version) if version == VERSION => key.ok_or_else(|| Failure::unreadable("channel key")),
        Some(COPYING) => {
            let cause = "a copy from another store is unfinished: run `incode-id store copy` again";
            Err(Failure::new(StoreErrorKind::Incompatible, cause))
        }
        version => {
            let version = version.map_or_else(|| "none".into(), |bytes| String::from_utf8_lossy(bytes).into_owned());
            let ours = String::from_utf8_lossy(VERSION);
            let cause = format!("the schema is of version {version}, this program needs version {ours}");
            Err(Failure::new(StoreErrorKind::Incompatible, cause))
        }
    }
}

/// Makes the tables. `source`: what a copy fills them from.
pub(crate) async fn create(
    connection: &Connection,
    has_schema: bool,
    version: &[u8],
    source: Option<&str>,
) -> Result<(), Failure> {
    let schema = if has_schema { "" } else { "CREATE SCHEMA incode;" };
    let key = hub::new_key().map_err(|_| Failure::failed("no random bytes"))?;
    let tables = schema_sql(&connection.target, schema);
    connection.execute(&tables).await?;
    let meta = "INSERT INTO incode.meta (name, value) VALUES ('version', $1), ('channel key', $2)";
    let mut statements = vec![(meta, params![version, key.as_slice()])];
    if let Some(source) = source {
        let copy = "INSERT INTO incode.meta (name, value) VALUES ('copy source', $1), ('copy batch', '0')";
        statements.push((copy, params![source.as_bytes()]));
    }
    let kept = connection.pipeline("", &statements, "COMMIT").await;
    kept.map(drop)
}

/// The statements that make the tables, for this schema.
fn schema_sql(target: &Target, schema: &str) -> String {
    // A limit of the role's own would end this on a busy server.
    let quoted = format!("\"{}\"", target.schema);
    let schema = schema.replace("incode", &quoted);
    format!("BEGIN; SET LOCAL statement_timeout = 0; {schema}\n{}", target.sql(TABLES))
}

/// The only version so far.
pub(crate) const VERSION: &[u8] = b"1";
/// In place of the version while a copy fills the tables: no process opens them.
pub(crate) const COPYING: &[u8] = b"copying";
/// More than processes start at once: each attempt that fails is one that another process won.
const ATTEMPTS: u32 = 100;
/// Between two looks: an open transaction of another process makes this one wait in the server, not here.
const WAIT: Duration = Duration::from_millis(20);
/// How many rows share all locks of identities, subjects, correlation ids and tokens. More would only cost disk. Fewer
/// would make unrelated changes wait for each other.
pub(crate) const LOCKS: i32 = 4096;
/// The row that a batch with ignored events locks: past those of [`LOCKS`].
pub(crate) const IGNORED_LOCK: i32 = 4096;

/// The tables, indexes and sequences. Statements name the schema `incode`; [`Target::sql`] puts in the real one.
const TABLES: &str = include_str!("schema.sql");
