//! Keyset pages: `{items, next}`. The next page begins after the code in `next`; never an offset.

use serde::{Deserialize, Deserializer, Serialize, de};
use utoipa::openapi::schema::{ObjectBuilder, Type};
use utoipa::openapi::{RefOr, Schema};

/// One page of a list.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct Page<T> {
    /// The items, in the order of their codes.
    pub(crate) items: Vec<T>,
    /// Pass as `after` to read on; null at the end.
    pub(crate) next: Option<String>,
}

impl<T> Page<T> {
    /// Cuts a page from what follows the last one; `cursor` names the item that the next page begins after.
    pub(crate) fn cut<S>(
        rest: impl Iterator<Item = S>,
        limit: Limit,
        cursor: impl Fn(&S) -> String,
        item: impl Fn(S) -> T,
    ) -> Self {
        let mut sources: Vec<S> = rest.take(limit.count() + 1).collect();
        let more = sources.len() > limit.count();
        sources.truncate(limit.count());
        let next = if more { sources.last().map(cursor) } else { None };
        Self { items: sources.into_iter().map(item).collect(), next }
    }
}

/// How many items a page holds: 1 to 500.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Limit(u16);

impl Limit {
    const DEFAULT: u16 = 100;
    const MAX: u16 = 500;

    /// As a count.
    pub(crate) fn count(self) -> usize {
        usize::from(self.0)
    }

    /// What a statement has to read so that a page knows whether another one follows.
    pub(crate) fn one_more(self) -> u32 {
        u32::from(self.0) + 1
    }
}

impl Default for Limit {
    fn default() -> Self {
        Self(Self::DEFAULT)
    }
}

impl<'de> Deserialize<'de> for Limit {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match u16::deserialize(deserializer)? {
            count @ 1..=Self::MAX => Ok(Self(count)),
            count => Err(de::Error::custom(format_args!("limit {count} is not in 1 to 500"))),
        }
    }
}

impl utoipa::PartialSchema for Limit {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(Type::Integer)
            .minimum(Some(1))
            .maximum(Some(Self::MAX))
            .default(Some(Self::DEFAULT.into()))
            .into()
    }
}

impl utoipa::ToSchema for Limit {}

/// Where a page begins whose order is not that of codes: text that an earlier page gave out, 1 to 200 characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Cursor(String);

impl Cursor {
    /// The text.
    pub(crate) fn into_text(self) -> String {
        self.0
    }
}

impl<'de> Deserialize<'de> for Cursor {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        match text.chars().count() {
            1..=200 => Ok(Self(text)),
            _ => Err(de::Error::custom("`after` has 1 to 200 characters")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_join_without_gap_or_repeat() {
        let all: Vec<u32> = (0..25).collect();
        let mut seen = Vec::new();
        let mut after: Option<u32> = None;
        loop {
            let rest = all.iter().copied().filter(|number| after.is_none_or(|after| *number > after));
            let page = Page::cut(rest, Limit(10), u32::to_string, |number| number);
            seen.extend(page.items);
            match page.next {
                Some(next) => after = next.parse().ok(),
                None => break,
            }
        }
        assert_eq!(seen, all);
    }

    #[test]
    fn a_full_last_page_has_no_next() {
        let page = Page::cut(0..10, Limit(10), i32::to_string, |number| number);
        assert_eq!((page.items.len(), page.next), (10, None));
    }
}
