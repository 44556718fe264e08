//! Pages of lists.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use utoipa::openapi::schema::{SchemaType, Type};
use utoipa::openapi::{ArrayBuilder, ObjectBuilder, Ref, RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

/// One page of a list.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Page<T> {
    /// The rows, in the order that the route documents.
    pub items: Vec<T>,
    /// `after` of the next page; null when this was the last. Opaque.
    pub next: Option<String>,
}

impl<T> Default for Page<T> {
    fn default() -> Self {
        Page {
            items: Vec::new(),
            next: None,
        }
    }
}

// By hand: the derived name of a generic type leaves its argument out, and all pages would be one.
impl<T: ToSchema> ToSchema for Page<T> {
    fn name() -> Cow<'static, str> {
        format!("Page_{}", T::name()).into()
    }

    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        schemas.push((T::name().to_string(), T::schema()));
        T::schemas(schemas);
    }
}

impl<T: ToSchema> PartialSchema for Page<T> {
    fn schema() -> RefOr<Schema> {
        let items = ArrayBuilder::new()
            .items(Ref::from_schema_name(T::name()))
            .description(Some("The rows, in the order that the route documents."));
        let next = ObjectBuilder::new()
            .schema_type(SchemaType::from_iter([Type::String, Type::Null]))
            .description(Some(
                "`after` of the next page; null when this was the last. Opaque.",
            ));
        let page = ObjectBuilder::new()
            .property("items", items)
            .required("items")
            .property("next", next)
            .description(Some("One page of a list."));
        page.build().into()
    }
}

/// Query of a list that is looked through.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
pub struct ListQuery {
    /// Text to look for, without regard to case, at most 100 characters.
    pub text: Option<String>,
    /// `next` of the page before.
    pub after: Option<String>,
    /// Rows of the page, 1 to 100; 100 if not given.
    pub rows: Option<u32>,
}

/// Query of a list.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
pub struct PageQuery {
    /// `next` of the page before.
    pub after: Option<String>,
    /// Rows of the page, 1 to 100; 100 if not given.
    pub rows: Option<u32>,
}

/// Tells `null` from an absent field: absent is `None`, `null` is `Some(None)`.
pub(super) fn nullable<'de, T, D>(from: D) -> Result<Option<Option<T>>, D::Error>
where
    T: Deserialize<'de>,
    D: serde::Deserializer<'de>,
{
    Option::<T>::deserialize(from).map(Some)
}
