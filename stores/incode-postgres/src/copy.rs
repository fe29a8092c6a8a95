//! Takes the rows of another engine into a schema that no process uses yet.

use std::fmt;

use incode_core::store::{StoreError, StoreErrorKind};

use super::connection::Connection;
use super::error::Failure;
use super::options::PostgresOptions;
use super::rows::{self, get};
use super::schema::{self, COPYING, VERSION};

/// A schema that is being filled. No process can open the store in it before [`CopyTarget::finish`].
pub struct CopyTarget {
    connection: Connection,
    /// The batch that was written last. Each transaction counts it up in the table `meta`, from this number only: a batch
    /// that a killed process had sent, and that the server begins late, then writes nothing.
    batch: u64,
}

impl CopyTarget {
    /// Makes the tables in an empty schema, or goes on with the copy of the same `source`.
    ///
    /// A schema with tables is refused even if they hold no rows: a process may have opened it, and it would write
    /// between the rows of the copy.
    ///
    /// # Errors
    /// - `Incompatible`: the schema has tables already, or an unfinished copy of another source.
    /// - `Unavailable` and `Failed`: as [`PostgresOptions::open`].
    pub async fn open(options: PostgresOptions, source: &str) -> Result<Self, StoreError> {
        let connection = options.connect().await?;
        if let schema::State::Empty { has_schema } = schema::look(&connection).await? {
            schema::create(&connection, has_schema, COPYING, Some(source)).await?;
            return Ok(Self { connection, batch: 0 });
        }
        // Waits for the batch that a killed process has under way.
        let meta = "SELECT name, value FROM incode.meta WHERE name IN ('version', 'copy source', 'copy batch')
            ORDER BY name FOR UPDATE";
        let answers = connection.pipeline("", &[(meta, params![])], "").await?;
        let mut found = (None, None, None);
        for row in answers.iter().flat_map(|answer| &answer.rows) {
            let value: &[u8] = get(row, 1)?;
            match get(row, 0)? {
                "version" => found.0 = Some(value),
                "copy source" => found.1 = Some(value),
                _ => found.2 = str::from_utf8(value).ok().and_then(|batch| batch.parse().ok()),
            }
        }
        let refused = |cause: &str| Err(StoreError::with_source(StoreErrorKind::Incompatible, cause.to_owned()));
        match found {
            (Some(COPYING), Some(begun), Some(batch)) if begun == source.as_bytes() => Ok(Self { connection, batch }),
            (Some(COPYING), ..) => refused(OTHER_SOURCE),
            _ => refused(IN_USE),
        }
    }

    /// The number of rows of a table. Of one that is not known: 0.
    ///
    /// # Errors
    /// When the server does not answer.
    pub async fn count(&self, table: &str) -> Result<u64, StoreError> {
        let Some(known) = TABLES.iter().find(|known| known.name == table) else { return Ok(0) };
        let answers = self.connection.pipeline("", &[(known.count, params![])], "").await?;
        let row = answers.first().ok_or_else(|| Failure::unreadable("answer"))?.row()?;
        Ok(rows::number(row, 0)?)
    }

    /// Writes rows of one table in one transaction. `rows` is a JSON array of `count` objects, each with the columns of a
    /// row.
    ///
    /// # Errors
    /// When the server does not take them: then none is written, or the connection was lost and all may be. `Busy`: another
    /// copy writes to the schema.
    pub async fn insert(&mut self, table: &str, rows: &str, count: u64) -> Result<(), StoreError> {
        let Some(known) = TABLES.iter().find(|known| known.name == table) else {
            return Err(Failure::failed("a table that is not known").into());
        };
        let (last, next) = (self.batch.to_string(), self.batch + 1);
        let params = params![rows, last.as_bytes(), next.to_string().as_bytes()];
        let answers = self.connection.pipeline(BEGIN, &[(known.insert, params)], "COMMIT").await?;
        self.batch = next;
        match answers.first() {
            Some(answer) if answer.count == count => Ok(()),
            _ => Err(Failure::busy("another copy wrote to the schema at the same time: run it again").into()),
        }
    }

    /// Ends the copy: sets the sequences behind the last ids that the source gave, and opens the schema to processes.
    ///
    /// # Errors
    /// When the server does not answer.
    pub async fn finish(&self, event: i64, job: i64, audit: i64, audit_ordinal: i64) -> Result<(), StoreError> {
        // So that the first claims are planned with the sizes of the tables known.
        self.connection.execute(&self.connection.target.sql(ANALYZE)).await?;
        let sequences = "SELECT setval('incode.event_id_seq', greatest($1, 1), $1 > 0),
            setval('incode.job_id_seq', greatest($2, 1), $2 > 0),
            setval('incode.audit_id_seq', greatest($3, 1), $3 > 0),
            setval('incode.audit_ordinal', greatest($4, 1), $4 > 0)";
        let statements = [
            (sequences, params![event, job, audit, audit_ordinal]),
            ("DELETE FROM incode.meta WHERE name IN ('copy batch', 'copy source')", params![]),
            ("UPDATE incode.meta SET value = $1 WHERE name = 'version'", params![VERSION]),
        ];
        Ok(self.connection.pipeline(BEGIN, &statements, "COMMIT").await.map(drop)?)
    }
}

impl fmt::Debug for CopyTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CopyTarget").field("schema", &self.connection.target.schema).finish_non_exhaustive()
    }
}

/// A table with its statements.
struct Table {
    name: &'static str,
    count: &'static str,
    insert: &'static str,
}

/// Builds the statements of a table from its name. Statements are constants, so that no name is put into SQL at run
/// time.
macro_rules! table {
    ($name:literal $(, $filter:literal)?) => {
        Table {
            name: $name,
            count: concat!("SELECT count(*) FROM incode.", $name $(, " WHERE ", $filter)?),
            // The server reads each value by the type of its column. The update takes its turn first: it locks the row, so
            // that batches come one after another, and finds none where another batch came in between.
            insert: concat!(
                "WITH turn AS (UPDATE incode.meta SET value = $3 WHERE name = 'copy batch' AND value = $2 RETURNING name)
                INSERT INTO incode.",
                $name,
                " SELECT rows.* FROM json_populate_recordset(NULL::incode.",
                $name,
                ", $1::text::json) AS rows WHERE EXISTS (SELECT FROM turn)"
            ),
        }
    };
}

/// Every table with rows to copy. The schema itself fills `lock`.
const TABLES: [Table; 13] = [
    table!("meta", "name LIKE 'secret %'"),
    table!("audit"),
    table!("tombstone"),
    table!("identity"),
    table!("link"),
    table!("pending_link"),
    table!("refused_link"),
    table!("confirmation"),
    table!("field"),
    table!("used_nonce"),
    table!("used_token"),
    table!("event"),
    table!("job"),
];
/// A limit of the role's own would end a large batch. A commit that is not synced could be lost after `finish`.
const BEGIN: &str = "BEGIN; SET LOCAL statement_timeout = 0; SET LOCAL synchronous_commit = on";
/// Statistics for the planner. Without them the first claims could read whole tables.
const ANALYZE: &str = "ANALYZE incode.event, incode.identity, incode.link, incode.pending_link, incode.refused_link,
    incode.confirmation, incode.field, incode.used_nonce, incode.used_token, incode.job, incode.audit";
/// For an operator who named a schema of a running application.
const IN_USE: &str = "the schema is in use already: a copy needs one without tables; name another one (?schema=NAME), or \
    drop it if nothing in it is needed (DROP SCHEMA .. CASCADE)";
/// For an operator who goes on with another file, or used the file since.
const OTHER_SOURCE: &str = "the schema holds an unfinished copy of another file, or of this file before it was used again: \
    drop the schema (DROP SCHEMA .. CASCADE), or name another one (?schema=NAME)";
