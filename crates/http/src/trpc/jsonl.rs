//! Answers a line at a time, for `httpBatchStreamLink`: a head that promises every call, then a
//! line for each as it completes.
//!
//! @trpc/server 11.25.2 nests promises (result, data, value) and so needs three lines a call. One
//! line a call is understood as well by every v11 client (11.0.0, 11.18.0, 11.25.2, recorded).

use bytes::Bytes;

use super::envelope::{Outcome, element};
use super::output::Data;
use super::{Transformer, superjson};

/// Where a call's data is within its line: what dates are announced relative to.
const DATA: &str = "2.0.0.result.data";

/// The first line: call `i` is a promise that the line numbered `i` fulfils.
pub(super) fn head(calls: usize, transformer: Transformer) -> Bytes {
    let promises: Vec<_> = (0..calls).map(|i| format!(r#""{i}":[[0],[null,0,{i}]]"#)).collect();
    line(&format!("{{{}}}", promises.join(",")), &[], transformer)
}

/// The line of one call. A failed call is a promise fulfilled with an error.
pub(super) fn chunk(index: usize, outcome: &Outcome, path: &str, transformer: Transformer) -> Bytes {
    // With superjson it is the line that is the document, so what is in it is plain.
    let element = element(outcome, path, Transformer::Plain);
    let dates = match outcome {
        Ok(Data::Json { dates, .. }) => dates.as_slice(),
        _ => &[],
    };
    line(&format!("[{index},0,[[{element}]]]"), dates, transformer)
}

fn line(json: &str, dates: &[String], transformer: Transformer) -> Bytes {
    let mut line = String::with_capacity(json.len() + 64);
    match transformer {
        Transformer::Plain => line.push_str(json),
        Transformer::Superjson => superjson::write(&mut line, json, DATA, dates),
    }
    line.push('\n');
    line.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn with_superjson_every_line_is_a_document_and_dates_are_found_from_its_start() {
        let outcome =
            Ok(Data::Json { text: r#"{"at":"1970-01-01T00:00:00.000Z"}"#.to_owned(), dates: vec!["at".to_owned()] });

        let head = head(2, Transformer::Superjson);
        let chunk = chunk(1, &outcome, "user.x", Transformer::Superjson);

        assert_eq!(head, "{\"json\":{\"0\":[[0],[null,0,0]],\"1\":[[0],[null,0,1]]}}\n");
        assert_eq!(
            chunk,
            "{\"json\":[1,0,[[{\"result\":{\"data\":{\"at\":\"1970-01-01T00:00:00.000Z\"}}}]]],\
             \"meta\":{\"values\":{\"2.0.0.result.data.at\":[\"Date\"]},\"v\":1}}\n"
        );
    }
}
