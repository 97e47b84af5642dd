//! Bodies: read up to a limit, decoded without repeating them.

use std::{future::ready, io, io::BufReader, pin::pin};

use bytes::Bytes;
use futures_util::{Stream, StreamExt, stream};
use reqwest::Response;
use serde::de::DeserializeOwned;
use tokio::{sync::mpsc, task::spawn_blocking};

use crate::arriving::Arriving;
use crate::failure::Failure;
use crate::loose::ObjectOrNull;

/// Larger JSON is decoded while it arrives, off the runtime's own threads.
const SHORT: usize = 256 * 1024;

/// How many pieces of a body may wait to be decoded. None is larger than what was read from the socket at once.
const PIECES: usize = 4;

/// serde reads bytes one by one; they should be in the processor's cache.
const READ_AHEAD: usize = 16 * 1024;

/// The whole body, if it is no larger than `limit` after decompression.
pub(crate) async fn read(response: Response, limit: usize) -> Result<Vec<u8>, Failure> {
    let mut pieces = pin!(pieces(response, limit));
    let mut body = Vec::new();
    while let Some(piece) = pieces.next().await {
        body.extend_from_slice(&piece?);
    }
    Ok(body)
}

/// The JSON in a body that is no larger than `limit` after decompression, without ever having all of it in memory.
/// `make` is applied where the body was decoded.
pub(crate) async fn read_json<J, T>(response: Response, limit: usize, make: fn(J) -> T) -> Result<T, Failure>
where
    J: DeserializeOwned + 'static,
    T: Send + 'static,
{
    decode_pieces(pieces(response, limit), make).await
}

/// The body as it comes, and an error in the place of what would make it larger than `limit`.
fn pieces(response: Response, limit: usize) -> impl Stream<Item = Result<Bytes, Failure>> + Send {
    let mut length = 0;
    response.bytes_stream().map(move |piece| {
        let piece = piece.map_err(|_| Failure::Cut)?;
        length += piece.len();
        if length > limit { Err(Failure::broken(format!("the body is larger than {limit} bytes"))) } else { Ok(piece) }
    })
}

async fn decode_pieces<J, T>(
    pieces: impl Stream<Item = Result<Bytes, Failure>> + Send,
    make: fn(J) -> T,
) -> Result<T, Failure>
where
    J: DeserializeOwned + 'static,
    T: Send + 'static,
{
    let mut pieces = pin!(pieces);
    let mut start = Vec::new();
    while start.len() <= SHORT {
        match pieces.next().await {
            Some(piece) => start.extend_from_slice(&piece?),
            None => return decode(&start).map(make),
        }
    }
    let (sender, receiver) = mpsc::channel(PIECES);
    let decoding = spawn_blocking(move || decode_arriving(Arriving::new(receiver)).map(make));
    let mut pieces = stream::once(ready(Ok(Bytes::from(start)))).chain(pieces);
    // If this future ends early, whether here or because nobody wants its answer any more, the sender ends with it, and
    // the decoder fails instead of waiting for the rest.
    while let Some(piece) = pieces.next().await {
        if sender.send(Some(piece?)).await.is_err() {
            break;
        }
    }
    // Who does not take it has found something wrong before the end.
    let _ = sender.send(None).await;
    drop(sender);
    decoding.await.unwrap_or_else(|_| Err(Failure::broken("decoding it failed")))
}

/// Reads JSON. serde's own words are not used: they quote the body.
pub(crate) fn decode<T: DeserializeOwned>(body: &[u8]) -> Result<T, Failure> {
    let text = str::from_utf8(body).map_err(|_| not_utf8())?;
    serde_json::from_str(text).map_err(|error| undecoded(&error))
}

fn decode_arriving<T: DeserializeOwned>(body: Arriving) -> Result<T, Failure> {
    serde_json::from_reader(BufReader::with_capacity(READ_AHEAD, body)).map_err(|error| match error.io_error_kind() {
        Some(io::ErrorKind::InvalidData) => not_utf8(),
        _ => undecoded(&error),
    })
}

fn undecoded(error: &serde_json::Error) -> Failure {
    let problem = match error.classify() {
        serde_json::error::Category::Eof => "the JSON ends early",
        serde_json::error::Category::Data => "the JSON is not what was asked for",
        serde_json::error::Category::Syntax | serde_json::error::Category::Io => "the body is not JSON",
    };
    Failure::broken(format!("{problem}, at byte {} of line {}", error.column(), error.line()))
}

fn not_utf8() -> Failure {
    Failure::broken("the body is not UTF-8")
}

/// Reads JSON that has to be an object: serde would take an array of a struct's fields too.
pub(crate) fn decode_object<T: DeserializeOwned>(body: &[u8]) -> Result<T, Failure> {
    decode::<ObjectOrNull<T>>(body)?.0.ok_or_else(|| Failure::broken("the JSON is null"))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use switchboard_domain::ListedContact;
    use switchboard_domain::ports::GatewayError;

    use super::*;
    use crate::loose::{Entries, Entry};
    use crate::wire;

    #[test]
    fn no_cause_repeats_the_body() {
        for body in [
            &b"\"canary\""[..],
            b"[\"canary\"]",
            b"canary",
            b"{\"canary\"",
            b"{\"status\":\"canary\",\"status\":\"canary\"}",
            b"\"canary\xff\"",
            b"null",
            b"",
        ] {
            let error = decode_object::<wire::Session>(body).err().map(GatewayError::from);
            assert!(matches!(&error, Some(GatewayError::Broken(cause)) if !cause.contains("canary")), "{error:?}");
        }
    }

    type Contacts = Entries<ListedContact>;

    /// Decodes a body that comes in pieces.
    async fn decoded(pieces: impl IntoIterator<Item = &[u8], IntoIter: Send>) -> Result<usize, String> {
        let pieces = pieces.into_iter().map(|piece| Ok(Bytes::copy_from_slice(piece)));
        let counted = decode_pieces(stream::iter(pieces), |Entries(contacts): Contacts| contacts.len()).await;
        counted.map_err(|failure| failure.to_string())
    }

    /// The beginning of a list that is too long to be decoded at once.
    fn long() -> Vec<u8> {
        let mut body = vec![b'['];
        while body.len() <= 2 * SHORT {
            body.extend_from_slice(br#"{"id":"7911@c.us","name":"canary"},"#);
        }
        body
    }

    #[tokio::test]
    async fn a_long_body_is_the_same_list_however_it_is_cut_into_pieces() {
        let (long, rest) = (long(), r#"{"id":"7912@c.us","name":"Борис 🚀"}] "#.as_bytes());
        let whole = [&long[..], rest].concat();
        let expected = Ok(decode::<Contacts>(&whole).unwrap_or(Entries(vec![])).0.len());
        assert!(expected.as_ref().is_ok_and(|count| *count > 10_000), "{expected:?}");
        assert_eq!(decoded([&whole[..]]).await, expected);
        assert_eq!(decoded([&long[..], b"", rest, b""]).await, expected);
        assert_eq!(decoded(whole.chunks(1021)).await, expected);
        assert_eq!(decoded([&long[..]].into_iter().chain(rest.chunks(1))).await, expected);
    }

    #[tokio::test]
    async fn what_is_wrong_with_a_long_body_is_said_as_of_a_short_one() {
        let long = long();
        for (rest, problem) in [
            (&br#"{"id":"7912@c.us""#[..], "the JSON ends early"),
            (br#"{"id":"7912@c.us"}"#, "the JSON ends early"),
            (br#""7912@c.us"]"#, "the JSON is not what was asked for"),
            (b"{]", "the body is not JSON"),
            (b"{}] canary", "the body is not JSON"),
            (b"{}][]", "the body is not JSON"),
            (b"{\"unknown\":\"canary\xff\"}]", "the body is not UTF-8"),
            (b"{\"unknown\":\"canary\xf0\x9f", "the body is not UTF-8"),
        ] {
            let told = [
                decoded([&b"["[..], rest]).await,
                decoded([&long[..], rest]).await,
                decoded([&long[..]].into_iter().chain(rest.chunks(1))).await,
            ];
            for told in told.map(Result::unwrap_err) {
                assert!(told.contains(problem) && !told.contains("canary"), "{problem}: {told}");
            }
        }
    }

    #[tokio::test]
    async fn a_long_body_that_breaks_off_may_be_asked_for_again() {
        let pieces = [Ok(long().into()), Err(Failure::Cut)];
        let result = decode_pieces(stream::iter(pieces), |Entries(contacts): Contacts| contacts.len()).await;
        assert!(result.is_err_and(|failure| failure.is_passing()));
    }

    /// Counts the entries that are decoded.
    struct Counted;

    static COUNTED: AtomicUsize = AtomicUsize::new(0);

    impl Entry for Counted {
        type Wire = wire::Contact;

        fn read(_key: Option<String>, _wire: wire::Contact) -> Option<Self> {
            COUNTED.fetch_add(1, Ordering::SeqCst);
            None
        }
    }

    #[tokio::test]
    async fn of_a_list_of_60_mb_little_is_held_at_a_time() {
        const ENTRIES: usize = 1000;
        let entry = format!(r#"{{"id":"7911@c.us","unknown":"{}"}},"#, "x".repeat(60_000));
        let entry = Bytes::from(entry);
        let size = entry.len();
        let most = std::sync::Arc::new(AtomicUsize::new(0));
        let held = std::sync::Arc::clone(&most);
        let entries = stream::iter(0..ENTRIES).map(move |sent| {
            held.fetch_max((sent - COUNTED.load(Ordering::SeqCst)) * size, Ordering::SeqCst);
            Ok(entry.clone())
        });
        let body = stream::once(ready(Ok(Bytes::from_static(b"["))))
            .chain(entries)
            .chain(stream::once(ready(Ok(Bytes::from_static(b"{}]")))));

        decode_pieces(body, |Entries(none): Entries<Counted>| assert!(none.is_empty())).await.unwrap();

        assert_eq!(COUNTED.load(Ordering::SeqCst), ENTRIES + 1);
        let most = most.load(Ordering::SeqCst);
        // What is read at first, what waits, and the pieces at either end of the channel.
        assert!(most <= SHORT + (PIECES + 3) * size, "{most} bytes were sent ahead of the decoder");
    }

    #[tokio::test]
    async fn a_decoder_whose_caller_goes_away_does_not_wait_for_the_rest() {
        let (sender, receiver) = mpsc::channel(PIECES);
        let decoding = spawn_blocking(|| decode_arriving::<Contacts>(Arriving::new(receiver)).is_err());
        sender.send(Some(long().into())).await.unwrap();
        drop(sender);
        assert!(decoding.await.unwrap());
    }
}
