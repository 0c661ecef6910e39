//! Sentences with details: `{name}` is a detail, `<…>` a part left out when one of its details lacks.

use serde_json::{Map, Value};

/// Writes `template` with the details of `members`.
pub(super) fn render(template: &str, members: &Map<String, Value>) -> String {
    let mut out = String::with_capacity(template.len());
    let mut rest = template;
    while let Some(start) = rest.find('<') {
        let (before, optional) = rest.split_at(start);
        fill(before, members, &mut out);
        let end = optional.find('>').unwrap_or(optional.len());
        let mut part = String::default();
        if fill(&optional[1..end], members, &mut part) {
            out.push_str(&part);
        }
        rest = optional.get(end + 1..).unwrap_or_default();
    }
    fill(rest, members, &mut out);
    out
}

/// Appends `part`; false when a detail lacked.
fn fill(part: &str, members: &Map<String, Value>, out: &mut String) -> bool {
    let mut complete = true;
    let mut rest = part;
    while let Some((before, after)) = rest.split_once('{') {
        out.push_str(before);
        let (name, following) = after.split_once('}').unwrap_or((after, ""));
        match members.get(name).and_then(text) {
            Some(value) => out.push_str(&value),
            None => complete = false,
        }
        rest = following;
    }
    out.push_str(rest);
    complete
}

/// A detail as a person reads it; lists are joined by commas.
fn text(value: &Value) -> Option<String> {
    match value {
        Value::Array(items) => {
            let items: Vec<String> = items.iter().filter_map(text).collect();
            (!items.is_empty()).then(|| items.join(", "))
        }
        Value::Number(number) => Some(number.to_string()),
        Value::String(text) if !text.is_empty() => Some(text.clone()),
        _ => None,
    }
}
