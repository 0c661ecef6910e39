//! A checker of the part of JSON Schema (2020-12) that the document uses.
//!
//! Stricter than the standard: a member that the schema does not name is an error, and so is a
//! keyword that is not checked here.

use serde_json::{Map, Value};

/// The errors of `value` against `schema`, a schema of `document`.
pub(super) fn errors(document: &Value, schema: &Value, value: &Value) -> Vec<String> {
    let mut checker = Checker {
        document,
        errors: Vec::default(),
    };
    checker.check(schema, value, "$");
    checker.errors
}

struct Checker<'a> {
    document: &'a Value,
    errors: Vec<String>,
}

impl Checker<'_> {
    fn check(&mut self, schema: &Value, value: &Value, at: &str) {
        let Some(keywords) = schema.as_object() else {
            return self.error(at, "the schema is not an object");
        };
        for (keyword, argument) in keywords {
            self.keyword(keyword, argument, keywords, value, at);
        }
    }

    fn keyword(
        &mut self,
        keyword: &str,
        argument: &Value,
        schema: &Map<String, Value>,
        value: &Value,
        at: &str,
    ) {
        match keyword {
            "$ref" => {
                let pointer = argument
                    .as_str()
                    .unwrap_or_default()
                    .trim_start_matches('#');
                match self.document.pointer(pointer) {
                    Some(target) => self.check(target, value, at),
                    None => self.error(at, &format!("dangling {argument}")),
                }
            }
            "oneOf" => {
                let schemas = argument.as_array().cloned().unwrap_or_default();
                let fits = |schema: &&Value| errors(self.document, schema, value).is_empty();
                let matching = schemas.iter().filter(fits).count();
                if matching != 1 {
                    self.error(at, &format!("fits {matching} of oneOf"));
                }
            }
            "type" => {
                let names: Vec<&str> = match argument {
                    Value::Array(names) => names.iter().filter_map(Value::as_str).collect(),
                    name => name.as_str().into_iter().collect(),
                };
                if !names.contains(&kind(value)) {
                    self.error(at, &format!("{value} is not {argument}"));
                }
            }
            "enum" => {
                if !argument.as_array().is_some_and(|all| all.contains(value)) {
                    self.error(at, &format!("{value} is not one of {argument}"));
                }
            }
            "required" => {
                for name in argument.as_array().into_iter().flatten() {
                    if value.get(name.as_str().unwrap_or_default()).is_none() {
                        self.error(at, &format!("{name} lacks"));
                    }
                }
            }
            "properties" => {
                let open = schema.get("additionalProperties") == Some(&Value::Bool(true));
                for (name, member) in value.as_object().into_iter().flatten() {
                    match argument.get(name) {
                        Some(schema) => self.check(schema, member, &format!("{at}.{name}")),
                        None if open => {}
                        None => self.error(at, &format!("{name} is not in the schema")),
                    }
                }
            }
            "items" => {
                for (index, item) in value.as_array().into_iter().flatten().enumerate() {
                    self.check(argument, item, &format!("{at}[{index}]"));
                }
            }
            "minimum" | "maximum" => {
                let (Some(bound), Some(number)) = (argument.as_u64(), value.as_u64()) else {
                    return;
                };
                let within = if keyword == "minimum" {
                    number >= bound
                } else {
                    number <= bound
                };
                if !within {
                    self.error(at, &format!("{number} is beyond {keyword} {bound}"));
                }
            }
            "minLength" | "maxLength" => {
                let (Some(bound), Some(text)) = (argument.as_u64(), value.as_str()) else {
                    return;
                };
                let length = text.chars().count() as u64;
                let within = if keyword == "minLength" {
                    length >= bound
                } else {
                    length <= bound
                };
                if !within {
                    self.error(at, &format!("{text:?} is beyond {keyword} {bound}"));
                }
            }
            // Annotations, and what needs a regular expression engine: left to the daemon's tests
            // with a foreign client.
            "additionalProperties" | "contentEncoding" | "description" | "format" | "pattern" => {}
            _ => self.error(at, &format!("keyword {keyword} is not checked")),
        }
    }

    fn error(&mut self, at: &str, what: &str) {
        self.errors.push(format!("{at}: {what}"));
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Array(_) => "array",
        Value::Bool(_) => "boolean",
        Value::Null => "null",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::Object(_) => "object",
        Value::String(_) => "string",
    }
}
