//! JSON, and as much of JSON Schema as `tests/probe.schema.json` uses. A schema
//! that uses more is an error, not a pass.

use std::collections::BTreeMap;

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Json {
    Null,
    Bool(bool),
    Number(i64),
    Text(String),
    Array(Vec<Json>),
    Object(BTreeMap<String, Json>),
}

impl Json {
    /// The value that is the whole of `text`.
    pub(crate) fn parse(text: &str) -> Self {
        let mut rest = text;
        let value = value(&mut rest);
        assert!(rest.trim().is_empty(), "after the JSON value: {rest}");
        value
    }

    /// The member `key`; null if there is none.
    pub(crate) fn get(&self, key: &str) -> &Self {
        match self {
            Self::Object(members) => members.get(key).unwrap_or(&Self::Null),
            _ => &Self::Null,
        }
    }

    pub(crate) fn text(&self) -> &str {
        if let Self::Text(text) = self { text } else { "" }
    }

    pub(crate) fn items(&self) -> &[Self] {
        if let Self::Array(items) = self { items } else { &[] }
    }

    fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "boolean",
            Self::Number(_) => "integer",
            Self::Text(_) => "string",
            Self::Array(_) => "array",
            Self::Object(_) => "object",
        }
    }

    /// Panics unless `schema` admits this value, which is at `path`.
    pub(crate) fn check(&self, schema: &Self, path: &str) {
        let Self::Object(rules) = schema else { panic!("{path}: a schema that is no object") };
        for (rule, argument) in rules {
            match rule.as_str() {
                "$schema" | "title" => {}
                "type" => {
                    let kinds =
                        if let Self::Array(kinds) = argument { kinds } else { &vec![argument.clone()] };
                    let admitted = kinds.iter().any(|kind| kind.text() == self.kind());
                    assert!(admitted, "{path}: {self:?} is none of {kinds:?}");
                }
                "const" => assert_eq!(self, argument, "{path}"),
                "enum" => {
                    assert!(argument.items().contains(self), "{path}: {self:?} is none of {argument:?}")
                }
                "items" => {
                    self.items()
                        .iter()
                        .enumerate()
                        .for_each(|(i, v)| v.check(argument, &format!("{path}/{i}")));
                }
                "required" => {
                    for key in argument.items() {
                        let Self::Object(members) = self else { panic!("{path}: no object") };
                        assert!(members.contains_key(key.text()), "{path}: {key:?} is missing");
                    }
                }
                "properties" => {
                    let Self::Object(members) = self else { panic!("{path}: no object") };
                    for (key, value) in members {
                        let known = argument.get(key);
                        assert_ne!(*known, Self::Null, "{path}: {key} is not in the schema");
                        value.check(known, &format!("{path}/{key}"));
                    }
                }
                // With `properties`, which lets nothing else pass here.
                "additionalProperties" => assert_eq!(*argument, Self::Bool(false)),
                _ => panic!("{path}: the schema uses {rule}, which this test does not know"),
            }
        }
    }
}

fn skip(rest: &mut &str, token: &str) -> bool {
    *rest = rest.trim_start();
    let after = rest.strip_prefix(token);
    *rest = after.unwrap_or(rest);
    after.is_some()
}

fn value(rest: &mut &str) -> Json {
    for (word, value) in [("null", Json::Null), ("true", Json::Bool(true)), ("false", Json::Bool(false))] {
        if skip(rest, word) {
            return value;
        }
    }
    if skip(rest, "[") {
        let mut items = Vec::new();
        while !skip(rest, "]") {
            assert!(items.is_empty() || skip(rest, ","), "no comma at {rest}");
            items.push(value(rest));
        }
        Json::Array(items)
    } else if skip(rest, "{") {
        let mut members = BTreeMap::new();
        while !skip(rest, "}") {
            assert!(members.is_empty() || skip(rest, ","), "no comma at {rest}");
            let Json::Text(key) = value(rest) else { panic!("no key at {rest}") };
            assert!(skip(rest, ":"), "no colon at {rest}");
            assert!(members.insert(key, value(rest)).is_none(), "a key twice before {rest}");
        }
        Json::Object(members)
    } else if skip(rest, "\"") {
        let mut text = String::new();
        loop {
            let mut characters = rest.chars();
            let character = characters.next().expect("a string ends");
            *rest = characters.as_str();
            match character {
                '"' => return Json::Text(text),
                '\\' => {
                    let escaped = rest.chars().next().expect("an escape ends");
                    *rest = &rest[1..];
                    text.push(match escaped {
                        '"' | '\\' => escaped,
                        'n' => '\n',
                        'u' => {
                            let (digits, behind) = rest.split_at(4);
                            *rest = behind;
                            let code = u32::from_str_radix(digits, 16).expect("four digits");
                            char::from_u32(code).expect("no surrogate")
                        }
                        _ => panic!("\\{escaped} is not what barejit writes"),
                    });
                }
                '\0'..' ' => panic!("a control character in a string"),
                _ => text.push(character),
            }
        }
    } else {
        let size = rest.find(|c: char| !c.is_ascii_digit() && c != '-').unwrap_or(rest.len());
        let (number, after) = rest.split_at(size);
        *rest = after;
        Json::Number(number.parse().unwrap_or_else(|_| panic!("no JSON at {number}{after}")))
    }
}
