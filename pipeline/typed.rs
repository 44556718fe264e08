//! From checked values to the struct that a plugin of this program reads them from.

use serde::Deserializer;
use serde::de::value::MapDeserializer;
use serde::de::{DeserializeOwned, Error, Visitor};
use serde_json::Value as Json;

use crate::PluginError;
use crate::manifest::Manifest;
use crate::parameter::{Value, Values};

/// `values` as a `P`, whose fields have to be exactly the parameters of `manifest`.
pub(crate) fn typed<P: DeserializeOwned>(
    manifest: &Manifest,
    values: &Values,
) -> Result<P, PluginError> {
    let pairs = values.iter().map(|(name, value)| {
        let may_be_auto = manifest.parameters.get(name).is_some_and(|p| p.auto);
        (name.to_string(), json(value, may_be_auto))
    });
    P::deserialize(Pairs(pairs.collect())).map_err(|e| PluginError::File {
        file: format!("plugin.toml of {}", manifest.name),
        detail: format!("the plugin cannot take its values: {e}"),
    })
}

/// `auto` is null, and a number without a fraction fits whole and decimal fields.
fn json(value: &Value, may_be_auto: bool) -> Json {
    match value {
        Value::Text(word) if may_be_auto && word == "auto" => Json::Null,
        Value::Text(word) => word.as_str().into(),
        Value::Boolean(flag) => (*flag).into(),
        Value::Number(n) if n.fract() == 0.0 && n.abs() < 9e15 => (*n as i64).into(),
        Value::Number(n) => (*n).into(),
    }
}

/// A struct's fields. Left to itself, serde would take an optional one that nobody declares for `None`.
struct Pairs(Vec<(String, Json)>);

impl<'de> Deserializer<'de> for Pairs {
    type Error = serde_json::Error;

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Self::Error> {
        let declared = |field: &str| self.0.iter().any(|(known, _)| known == field);
        if let Some(field) = fields.iter().find(|field| !declared(field)) {
            return Err(Error::custom(format!(
                "field {field} of {name} is no parameter"
            )));
        }
        if let Some((known, _)) = self
            .0
            .iter()
            .find(|(known, _)| !fields.contains(&known.as_str()))
        {
            return Err(Error::custom(format!(
                "parameter {known} is no field of {name}"
            )));
        }
        self.deserialize_any(visitor)
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Self::Error> {
        visitor.visit_map(MapDeserializer::new(self.0.into_iter()))
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map enum identifier ignored_any
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    const TEXT: &str = r#"
        name = "x"
        version = "1.0.0"
        stage = "mask"
        entry = "builtin"
        description = "x"
        [parameters.side_px]
        type = "integer"
        range = [0, 9]
        auto = true
        default = "auto"
        doc = "x"
        [parameters.model]
        type = "text"
        default = "auto"
        doc = "x"
        [parameters.share]
        type = "number"
        range = [0, 1]
        default = 1
        doc = "x"
    "#;

    fn read<P: DeserializeOwned>(set: &[(&str, &str)]) -> Result<P, String> {
        let manifest = Manifest::parse("x", TEXT).unwrap();
        let mut values = manifest.defaults();
        for (name, text) in set {
            manifest.set_text(&mut values, name, text).unwrap();
        }
        typed(&manifest, &values).map_err(|e| e.to_string())
    }

    #[test]
    fn values_become_fields_and_auto_none() {
        #[derive(Deserialize, PartialEq, Debug)]
        struct Fields {
            side_px: Option<usize>,
            model: String,
            share: f32,
        }
        let fields = |side_px, share| Fields {
            side_px,
            model: "auto".into(),
            share,
        };
        assert_eq!(read::<Fields>(&[]).unwrap(), fields(None, 1.0));
        let set = [("side_px", "3"), ("share", "0.5")];
        assert_eq!(read::<Fields>(&set).unwrap(), fields(Some(3), 0.5));
    }

    #[test]
    fn fields_and_parameters_that_differ_are_refused() {
        #[derive(Deserialize, Debug)]
        #[expect(dead_code)]
        struct Undeclared {
            side_px: Option<usize>,
            model: String,
            share: f32,
            seed: Option<u32>,
        }
        let error = read::<Undeclared>(&[]).unwrap_err();
        assert!(
            error.contains("field seed of Undeclared is no parameter"),
            "{error}"
        );
        #[derive(Deserialize, Debug)]
        #[expect(dead_code)]
        struct Forgotten {
            side_px: Option<usize>,
            model: String,
        }
        let error = read::<Forgotten>(&[]).unwrap_err();
        assert!(
            error.contains("parameter share is no field of Forgotten"),
            "{error}"
        );
    }
}
