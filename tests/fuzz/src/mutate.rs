//! Inputs out of inputs: bytes that change, texts that are put together, and JSON with anything in the place of anything.

use rand::Rng;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use serde_json::{Map, Value, json};

/// Longer inputs are cut: what goes wrong does so with short ones too, and faster.
const LONGEST: usize = 16 * 1024;

/// How deep something is nested that is to be too deep.
const DEEP: usize = 300;

/// What programs have tripped over before.
const ODD: [&str; 30] = [
    "",
    "0",
    "-0",
    "-1",
    "1e999",
    "-1e-999",
    "1.5",
    "9007199254740993",
    "18446744073709551615",
    "18446744073709551616",
    "-9223372036854775808",
    "4294967296",
    "NaN",
    "null",
    "true",
    "undefined",
    "\u{0}",
    "\u{feff}",
    "\u{fffd}",
    "\\ud83d",
    "\u{1f680}",
    "\u{202e}",
    "\u{301}",
    "ﬁ",
    "ß",
    "İ",
    "%",
    "%00",
    "%ff",
    "../",
];

/// Makes new inputs out of old ones.
pub(crate) struct Mutator<'a> {
    /// Texts that mean something to what is tested.
    pub(crate) words: &'a [&'a str],
}

impl Mutator<'_> {
    /// An input like the first one, with something of the other perhaps.
    pub(crate) fn mutate(&self, rng: &mut StdRng, input: &[u8], other: &[u8]) -> Vec<u8> {
        let mut mutated = input.to_vec();
        for _ in 0..1 << rng.random_range(0..4) {
            mutated = match serde_json::from_slice::<Value>(&mutated) {
                Ok(mut json) if rng.random_bool(0.7) => {
                    let other = serde_json::from_slice(other).unwrap_or(Value::Null);
                    self.change(rng, &mut json, &other);
                    json.to_string().into_bytes()
                }
                _ => self.bytes(rng, mutated, other),
            };
            mutated.truncate(LONGEST);
        }
        mutated
    }

    fn word(&self, rng: &mut StdRng) -> &str {
        let words = if rng.random_bool(0.6) { self.words } else { &ODD };
        words.choose(rng).or(ODD.choose(rng)).copied().unwrap_or_default()
    }

    fn bytes(&self, rng: &mut StdRng, mut bytes: Vec<u8>, other: &[u8]) -> Vec<u8> {
        let at = rng.random_range(0..=bytes.len());
        let end = (at + rng.random_range(0..=8)).min(bytes.len());
        match rng.random_range(0..10) {
            0 if at < bytes.len() => bytes[at] ^= 1 << rng.random_range(0..8),
            1 if at < bytes.len() => bytes[at] = rng.random(),
            2 => drop(bytes.drain(at..end)),
            3 => bytes.truncate(at),
            4 => drop(bytes.splice(at..end, self.word(rng).bytes())),
            5 => drop(bytes.splice(at..at, self.word(rng).bytes())),
            6 => {
                let again = bytes[at..end].repeat(1 << rng.random_range(0..10));
                bytes.splice(at..at, again);
            }
            // What follows there comes from the other one.
            7 => {
                let from = rng.random_range(0..=other.len());
                bytes.truncate(at);
                bytes.extend_from_slice(&other[from..]);
            }
            8 => {
                let (from, to) = (rng.random_range(0..=other.len()), rng.random_range(0..=other.len()));
                bytes.splice(at..at, other[from.min(to)..from.max(to)].iter().copied());
            }
            _ => bytes.insert(at, rng.random()),
        }
        bytes
    }

    /// Changes some place within the JSON.
    fn change(&self, rng: &mut StdRng, json: &mut Value, other: &Value) {
        // The place is found from the top: each step goes down or stays.
        match json {
            Value::Object(fields) if !fields.is_empty() && rng.random_bool(0.8) => {
                let index = rng.random_range(0..fields.len());
                if rng.random_bool(0.2) {
                    self.change_keys(rng, fields, index);
                } else if let Some(value) = fields.values_mut().nth(index) {
                    self.change(rng, value, other);
                }
            }
            Value::Array(items) if !items.is_empty() && rng.random_bool(0.8) => {
                let index = rng.random_range(0..items.len());
                match rng.random_range(0..8) {
                    0 => drop(items.remove(index)),
                    1 => items.insert(index, items[index].clone()),
                    _ => self.change(rng, &mut items[index], other),
                }
            }
            Value::String(text) if rng.random_bool(0.7) => {
                // Bodies and inputs are JSON within JSON.
                *text = match serde_json::from_str::<Value>(text) {
                    Ok(mut inner @ (Value::Object(_) | Value::Array(_))) if rng.random_bool(0.8) => {
                        self.change(rng, &mut inner, other);
                        inner.to_string()
                    }
                    _ => String::from_utf8_lossy(&self.bytes(rng, text.clone().into_bytes(), b"")).into_owned(),
                };
            }
            place => *place = self.replacement(rng, place, other),
        }
    }

    fn change_keys(&self, rng: &mut StdRng, fields: &mut Map<String, Value>, index: usize) {
        let key = fields.keys().nth(index).cloned().unwrap_or_default();
        match rng.random_range(0..3) {
            0 => drop(fields.remove(&key)),
            1 => {
                let value = fields.remove(&key).unwrap_or_default();
                fields.insert(self.word(rng).to_owned(), value);
            }
            _ => {
                let value = fields[&key].clone();
                fields.insert(self.word(rng).to_owned(), value);
            }
        }
    }

    fn replacement(&self, rng: &mut StdRng, place: &Value, other: &Value) -> Value {
        match rng.random_range(0..12) {
            0 => Value::Null,
            1 => rng.random::<bool>().into(),
            2 => [0, 1, -1, i64::MAX, i64::MIN, 10_001, 1_795_377_570_245].choose(rng).copied().into(),
            3 => [0.5, -0.0, 1e20, f64::MAX, f64::MIN_POSITIVE].choose(rng).copied().into(),
            4 => u64::MAX.into(),
            5 => json!([]),
            6 => json!({}),
            7 => json!([place, place]),
            8 => json!({ self.word(rng): place }),
            9 => part(rng, other).clone(),
            10 if rng.random_bool(0.1) => (0..DEEP).fold(Value::Null, |inner, _| json!([inner])),
            _ => self.word(rng).into(),
        }
    }
}

/// Some value within another.
fn part<'a>(rng: &mut StdRng, json: &'a Value) -> &'a Value {
    let inner = match json {
        Value::Array(items) => items.choose(rng),
        Value::Object(fields) if !fields.is_empty() => fields.values().nth(rng.random_range(0..fields.len())),
        _ => None,
    };
    match inner {
        Some(inner) if rng.random_bool(0.7) => part(rng, inner),
        _ => json,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use rand::SeedableRng;

    use super::*;

    #[test]
    fn inputs_become_others_and_json_often_stays_json() {
        let (mutator, mut rng) = (Mutator { words: &["sessionName"] }, StdRng::seed_from_u64(1));
        let seed = br#"{"a":[1,{"b":"{\"c\":null}"}],"d":"text"}"#;
        let mutated: Vec<_> = (0..1000).map(|_| mutator.mutate(&mut rng, seed, b"[{\"from\":\"other\"}]")).collect();

        let different = mutated.iter().filter(|input| **input != seed).collect::<HashSet<_>>().len();
        let json = mutated.iter().filter(|input| serde_json::from_slice::<Value>(input).is_ok()).count();
        assert!(different > 700, "{different}");
        assert!((300..950).contains(&json), "{json}");
        for word in ["sessionName", "other"] {
            let has_word = |input: &Vec<u8>| input.windows(word.len()).any(|part| part == word.as_bytes());
            assert!(mutated.iter().any(has_word), "{word}");
        }
        assert!(mutated.iter().all(|input| input.len() <= LONGEST));
    }
}
