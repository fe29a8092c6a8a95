//! Rows on their way from one store to the other, column by column, as both databases know them.

/// Some rows of a table, in the order of its key.
pub(in crate::store) struct Page {
    /// As the table's list has them.
    pub(in crate::store) columns: Vec<Column>,
    pub(in crate::store) rows: usize,
}

/// The values of one column.
pub(in crate::store) enum Column {
    Text(Vec<Option<String>>),
    Bytes(Vec<Option<Vec<u8>>>),
    Number(Vec<Option<i64>>),
}

/// One value of a key.
#[derive(Clone, Debug)]
pub(in crate::store) enum Value {
    Text(String),
    Bytes(Vec<u8>),
    Number(i64),
}

impl Page {
    pub(in crate::store) fn texts(&self, column: usize) -> impl Iterator<Item = &str> {
        let texts = match self.columns.get(column) {
            Some(Column::Text(texts)) => texts.as_slice(),
            _ => &[],
        };
        texts.iter().flatten().map(String::as_str)
    }

    pub(in crate::store) fn bytes(&self, column: usize) -> impl Iterator<Item = &[u8]> {
        let bytes = match self.columns.get(column) {
            Some(Column::Bytes(bytes)) => bytes.as_slice(),
            _ => &[],
        };
        bytes.iter().flatten().map(Vec::as_slice)
    }

    /// The key of its last row, which is in its first columns.
    pub(in crate::store) fn last(&self, key: usize) -> Vec<Value> {
        self.columns.iter().take(key).filter_map(Column::last).collect()
    }
}

impl Column {
    fn last(&self) -> Option<Value> {
        match self {
            Self::Text(texts) => texts.last().cloned().flatten().map(Value::Text),
            Self::Bytes(bytes) => bytes.last().cloned().flatten().map(Value::Bytes),
            Self::Number(numbers) => numbers.last().copied().flatten().map(Value::Number),
        }
    }
}
