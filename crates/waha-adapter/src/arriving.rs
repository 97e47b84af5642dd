//! A body that is decoded while it arrives: the end of a channel, as something to read from.

use std::io::{self, Read};

use bytes::{Buf, Bytes};
use tokio::sync::mpsc;

/// What arrives of a body. Reading waits, and so is only for a thread that may; it fails if the body is not UTF-8, and if
/// the sender goes away before it has said that this is all.
pub(crate) struct Arriving {
    /// `None` stands for the end of the body.
    pieces: mpsc::Receiver<Option<Bytes>>,
    /// What is left of the last one.
    piece: Bytes,
    begun: Begun,
    /// How it came to its end, once it has. serde asks again after an error.
    end: Option<Result<(), io::ErrorKind>>,
}

/// A character whose last bytes have not come yet.
#[derive(Default)]
struct Begun {
    bytes: [u8; 4],
    length: usize,
}

impl Arriving {
    pub(crate) fn new(pieces: mpsc::Receiver<Option<Bytes>>) -> Self {
        Self { pieces, piece: Bytes::new(), begun: Begun::default(), end: None }
    }
}

impl Read for Arriving {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.piece.is_empty() {
            if let Some(end) = self.end {
                return end.map(|()| 0).map_err(io::Error::from);
            }
            match self.pieces.blocking_recv() {
                Some(Some(piece)) => match self.begun.go_on(&piece) {
                    Ok(()) => self.piece = piece,
                    broken => self.end = Some(broken),
                },
                Some(None) => self.end = Some(self.begun.end()),
                None => self.end = Some(Err(io::ErrorKind::BrokenPipe)),
            }
        }
        let length = self.piece.len().min(buffer.len());
        self.piece.copy_to_slice(&mut buffer[..length]);
        Ok(length)
    }
}

impl Begun {
    /// Checks that the text goes on with these bytes. serde does not look into what it ignores.
    fn go_on(&mut self, mut bytes: &[u8]) -> Result<(), io::ErrorKind> {
        while self.length > 0
            && let [byte, rest @ ..] = bytes
        {
            self.bytes[self.length] = *byte;
            self.length += 1;
            bytes = rest;
            if check(&self.bytes[..self.length])?.is_empty() {
                self.length = 0;
            }
        }
        let begun = check(bytes)?;
        self.bytes[self.length..][..begun.len()].copy_from_slice(begun);
        self.length += begun.len();
        Ok(())
    }

    fn end(&self) -> Result<(), io::ErrorKind> {
        if self.length == 0 { Ok(()) } else { Err(io::ErrorKind::InvalidData) }
    }
}

/// The character at the end of these bytes that may be whole once more have come.
fn check(bytes: &[u8]) -> Result<&[u8], io::ErrorKind> {
    match str::from_utf8(bytes) {
        Ok(_) => Ok(&[]),
        Err(error) if error.error_len().is_none() => Ok(&bytes[error.valid_up_to()..]),
        Err(_) => Err(io::ErrorKind::InvalidData),
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    /// Reads pieces to their end.
    fn read(pieces: Vec<Vec<u8>>) -> io::Result<Vec<u8>> {
        let (sender, receiver) = mpsc::channel(pieces.len() + 1);
        for piece in pieces {
            sender.try_send(Some(piece.into())).unwrap();
        }
        sender.try_send(None).unwrap();
        let mut all = Vec::new();
        Arriving::new(receiver).read_to_end(&mut all).map(|_| all)
    }

    fn cut(bytes: &[u8], sizes: &[usize]) -> Vec<Vec<u8>> {
        let mut rest = bytes;
        let mut pieces = Vec::new();
        for size in sizes {
            let (piece, after) = rest.split_at(*size.min(&rest.len()));
            pieces.push(piece.to_vec());
            rest = after;
        }
        pieces.push(rest.to_vec());
        pieces
    }

    proptest! {
        #[test]
        fn text_stays_whole_however_it_is_cut(text in ".{0,20}", sizes in vec(0_usize..4, 0..20)) {
            prop_assert_eq!(read(cut(text.as_bytes(), &sizes)).unwrap(), text.as_bytes());
        }

        #[test]
        fn what_is_no_text_is_found_wherever_it_is_cut(
            bytes in vec(prop_oneof![Just(0xe2), Just(0x82), Just(0xac), Just(0xf0), Just(0x9f), any::<u8>()], 0..12),
            sizes in vec(0_usize..4, 0..12),
        ) {
            prop_assert_eq!(read(cut(&bytes, &sizes)).is_ok(), str::from_utf8(&bytes).is_ok());
        }
    }

    #[test]
    fn a_body_without_an_end_is_none() {
        let (sender, receiver) = mpsc::channel(1);
        sender.try_send(Some(Bytes::from_static(b"[]"))).unwrap();
        drop(sender);
        let mut body = Arriving::new(receiver);
        let mut buffer = [0; 9];
        assert_eq!(body.read(&mut buffer).unwrap(), 2);
        for _ in 0..2 {
            assert_eq!(body.read(&mut buffer).unwrap_err().kind(), io::ErrorKind::BrokenPipe);
        }
    }

    #[test]
    fn an_error_is_the_end_though_the_sender_stays() {
        let (sender, receiver) = mpsc::channel(2);
        for piece in [&b"\xff"[..], b"[]"] {
            sender.try_send(Some(Bytes::from_static(piece))).unwrap();
        }
        let mut body = Arriving::new(receiver);
        for _ in 0..2 {
            assert_eq!(body.read(&mut [0]).unwrap_err().kind(), io::ErrorKind::InvalidData);
        }
    }
}
