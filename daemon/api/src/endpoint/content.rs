//! What travels in a body: its media types, its schemas, and how it is written and read.

use std::marker::PhantomData;

use serde::Serialize;
use serde::de::DeserializeOwned;
use utoipa::ToSchema;
use utoipa::openapi::schema::{KnownFormat, OneOfBuilder, SchemaFormat, Type};
use utoipa::openapi::{ObjectBuilder, Ref, RefOr, Schema};

/// A schema, or the name of one.
type AnySchema = RefOr<Schema>;

/// Named schemas.
pub type Schemas = Vec<(String, AnySchema)>;

/// Media types, each with the schema of what is in it.
pub type Media = Vec<(&'static str, AnySchema)>;

/// A kind of body.
pub trait Content: 'static {
    /// Whether it goes on for as long as both sides like.
    const STREAM: bool = false;
    /// Its media types, each with the schema of what is in it; empty for no body. Schemas that it names go to `schemas`.
    fn media(schemas: &mut Schemas) -> Media;
}

/// A body that a client can write.
pub trait Encode: Content {
    /// Its bytes.
    fn encode(&self) -> Result<Vec<u8>, serde_json::Error>;
}

/// A body that a client can read.
pub trait Decode: Content + Sized {
    /// Reads its bytes.
    fn decode(bytes: Vec<u8>) -> Result<Self, serde_json::Error>;
}

/// A reference to the schema of `T`, which goes to `schemas` with all that it names.
fn named<T: ToSchema>(schemas: &mut Schemas) -> AnySchema {
    let name = T::name();
    schemas.push((name.to_string(), T::schema()));
    T::schemas(schemas);
    Ref::from_schema_name(name).into()
}

fn binary() -> AnySchema {
    let bytes = ObjectBuilder::new()
        .schema_type(Type::String)
        .format(Some(SchemaFormat::KnownFormat(KnownFormat::Binary)));
    bytes.build().into()
}

impl Content for () {
    fn media(_: &mut Schemas) -> Media {
        Vec::new()
    }
}

impl Encode for () {
    fn encode(&self) -> Result<Vec<u8>, serde_json::Error> {
        Ok(Vec::new())
    }
}

/// JSON.
#[derive(Debug, Clone, PartialEq)]
pub struct Json<T>(pub T);

impl<T: ToSchema + 'static> Content for Json<T> {
    fn media(schemas: &mut Schemas) -> Media {
        vec![("application/json", named::<T>(schemas))]
    }
}

impl<T: Serialize + ToSchema + 'static> Encode for Json<T> {
    fn encode(&self) -> Result<Vec<u8>, serde_json::Error> {
        serde_json::to_vec(&self.0)
    }
}

impl<T: DeserializeOwned + ToSchema + 'static> Decode for Json<T> {
    fn decode(bytes: Vec<u8>) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(&bytes).map(Json)
    }
}

/// One of two contents, of one media type or of two.
#[derive(Debug, Clone, Copy)]
pub struct Either<A, B>(PhantomData<(A, B)>);

impl<A: Content, B: Content> Content for Either<A, B> {
    fn media(schemas: &mut Schemas) -> Media {
        let mut media = A::media(schemas);
        for (name, schema) in B::media(schemas) {
            match media.iter_mut().find(|(known, _)| *known == name) {
                Some((_, known)) => {
                    let both = OneOfBuilder::new().item(known.clone()).item(schema);
                    *known = RefOr::T(both.build().into());
                }
                None => media.push((name, schema)),
            }
        }
        media
    }
}

/// A form with files.
#[derive(Debug, Clone, Copy)]
pub struct Form<T>(PhantomData<T>);

impl<T: ToSchema + 'static> Content for Form<T> {
    fn media(schemas: &mut Schemas) -> Media {
        vec![("multipart/form-data", named::<T>(schemas))]
    }
}

/// Server-sent events, the data of each as JSON.
#[derive(Debug, Clone, Copy)]
pub struct Events<T>(PhantomData<T>);

impl<T: ToSchema + 'static> Content for Events<T> {
    const STREAM: bool = true;
    fn media(schemas: &mut Schemas) -> Media {
        vec![("text/event-stream", named::<T>(schemas))]
    }
}

/// Plain text.
#[derive(Debug, Clone, Copy)]
pub struct Text;

impl Content for Text {
    fn media(_: &mut Schemas) -> Media {
        let text = ObjectBuilder::new().schema_type(Type::String);
        vec![("text/plain", text.build().into())]
    }
}

/// JSON of no fixed form.
#[derive(Debug, Clone, Copy)]
pub struct AnyJson;

impl Content for AnyJson {
    fn media(_: &mut Schemas) -> Media {
        let object = ObjectBuilder::new().schema_type(Type::Object);
        vec![("application/json", object.build().into())]
    }
}

/// A picture in one of the formats that the daemon takes; its bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Picture(pub Vec<u8>);

impl Content for Picture {
    fn media(_: &mut Schemas) -> Media {
        ["image/jpeg", "image/png", "image/tiff", "image/webp"]
            .into_iter()
            .map(|media_type| (media_type, binary()))
            .collect()
    }
}

impl Decode for Picture {
    fn decode(bytes: Vec<u8>) -> Result<Self, serde_json::Error> {
        Ok(Picture(bytes))
    }
}

/// A PNG.
#[derive(Debug, Clone, Copy)]
pub struct Png;

impl Content for Png {
    fn media(_: &mut Schemas) -> Media {
        vec![("image/png", binary())]
    }
}
