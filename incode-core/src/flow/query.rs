use std::borrow::Cow;

use crate::http::RequestHead;

/// The one value of `name` in the query of a request, decoded. `None` when it is absent, empty, or given twice:
/// a value that two readers could read differently is no value.
pub(super) fn one<'a>(head: &'a dyn RequestHead, name: &str) -> Option<Cow<'a, str>> {
    let mut values = url::form_urlencoded::parse(head.query()?.as_bytes()).filter(|(key, _)| key == name);
    let (_, value) = values.next()?;
    (values.next().is_none() && !value.is_empty()).then_some(value)
}

/// True when `name` occurs in the query at all.
pub(super) fn has(head: &dyn RequestHead, name: &str) -> bool {
    head.query().is_some_and(|query| url::form_urlencoded::parse(query.as_bytes()).any(|(key, _)| key == name))
}
