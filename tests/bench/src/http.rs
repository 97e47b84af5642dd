//! HTTP/1.1 at its barest: requests that are bytes already, and answers of which the length is read.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// How long an answer may take: more than a server waits for a list.
const DEADLINE: Duration = Duration::from_secs(40);

/// A request, as it goes over the wire.
#[derive(Clone, Debug)]
pub(crate) struct Request(Box<[u8]>);

/// A connection that is kept alive.
pub(crate) struct Connection {
    socket: TcpStream,
    /// What was read last; answers are no longer than its length and are read over it.
    buffer: Vec<u8>,
}

/// An answer, borrowed from its connection.
#[derive(Debug)]
pub(crate) struct Answer<'a> {
    pub(crate) status: u16,
    pub(crate) body: &'a [u8],
}

impl Request {
    /// A request without a body.
    pub(crate) fn get(target: &str, token: Option<&str>) -> Self {
        Self(head("GET", target, token, None).into_bytes().into())
    }

    /// A request with a body, which may be empty.
    pub(crate) fn post(target: &str, token: Option<&str>, body: &str) -> Self {
        Self((head("POST", target, token, Some(body.len())) + body).into_bytes().into())
    }

    /// A JSON body and its signature, as WAHA sends it.
    pub(crate) fn signed(target: &str, signature: &str, body: &str) -> Self {
        let head = head("POST", target, None, Some(body.len()));
        let head = head.strip_suffix("\r\n").unwrap_or(&head);
        Self(format!("{head}x-webhook-hmac: {signature}\r\n\r\n{body}").into_bytes().into())
    }

    /// A request that replaces something.
    pub(crate) fn put(target: &str, body: &str) -> Self {
        Self((head("PUT", target, None, Some(body.len())) + body).into_bytes().into())
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    pub(crate) fn delete(target: &str) -> Self {
        Self(head("DELETE", target, None, None).into_bytes().into())
    }

    /// Sends it on a connection of its own; the JSON of a 200.
    pub(crate) async fn send(&self, address: SocketAddr) -> anyhow::Result<Value> {
        Connection::open(address).await?.json(self).await
    }
}

fn head(method: &str, target: &str, token: Option<&str>, length: Option<usize>) -> String {
    let token = token.map(|token| format!("authorization: Bearer {token}\r\n")).unwrap_or_default();
    let length = length.map(|bytes| format!("content-type: application/json\r\ncontent-length: {bytes}\r\n"));
    format!("{method} {target} HTTP/1.1\r\nhost: 127.0.0.1\r\n{token}{}\r\n", length.unwrap_or_default())
}

impl Connection {
    pub(crate) async fn open(address: SocketAddr) -> anyhow::Result<Self> {
        let socket = TcpStream::connect(address).await.with_context(|| format!("nobody listens on {address}"))?;
        socket.set_nodelay(true)?;
        Ok(Self { socket, buffer: vec![0; 16 * 1024] })
    }

    /// Sends a request and reads its answer, whole.
    pub(crate) async fn send(&mut self, request: &Request) -> anyhow::Result<Answer<'_>> {
        self.socket.write_all(&request.0).await?;
        let mut filled = 0;
        let Head { end: body, status, length } = loop {
            filled += self.read(filled).await?;
            if let Some(head) = parse_head(&self.buffer[..filled])? {
                break head;
            }
        };
        let end = match length {
            Length::Bytes(bytes) => {
                while filled < body + bytes {
                    filled += self.read(filled).await?;
                }
                ensure!(filled == body + bytes, "more was answered than announced");
                filled
            }
            Length::Chunked => {
                let mut chunks = Chunks { read: body, written: body };
                while !chunks.join(&mut self.buffer[..filled])? {
                    filled += self.read(filled).await?;
                }
                chunks.written
            }
        };
        Ok(Answer { status, body: &self.buffer[body..end] })
    }

    /// The JSON of a 200.
    pub(crate) async fn json(&mut self, request: &Request) -> anyhow::Result<Value> {
        let answer = tokio::time::timeout(DEADLINE, self.send(request)).await.context("no answer in time")??;
        if answer.status != 200 {
            bail!("answered {}: {}", answer.status, String::from_utf8_lossy(answer.body));
        }
        Ok(serde_json::from_slice(answer.body)?)
    }

    async fn read(&mut self, filled: usize) -> anyhow::Result<usize> {
        if filled == self.buffer.len() {
            self.buffer.resize(filled * 2, 0);
        }
        match self.socket.read(&mut self.buffer[filled..]).await? {
            0 => bail!("the server closed the connection"),
            bytes => Ok(bytes),
        }
    }
}

/// The head of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Head {
    /// Where the body begins.
    end: usize,
    status: u16,
    length: Length,
}

/// How it is told where a body ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Length {
    Bytes(usize),
    Chunked,
}

/// The head, once it is all there.
fn parse_head(read: &[u8]) -> anyhow::Result<Option<Head>> {
    let Some(blank) = read.windows(4).position(|bytes| bytes == b"\r\n\r\n") else { return Ok(None) };
    let (head, end) = (std::str::from_utf8(&read[..blank])?, blank + 4);
    let mut lines = head.split("\r\n");
    let status = lines.next().and_then(|line| line.split(' ').nth(1)).context("an answer has a status")?.parse()?;
    if status == 204 {
        return Ok(Some(Head { end, status, length: Length::Bytes(0) }));
    }
    let length = lines.find_map(|line| {
        let (name, value) = line.split_once(':')?;
        match name.to_ascii_lowercase().as_str() {
            "content-length" => Some(value.trim().parse().map(Length::Bytes)),
            "transfer-encoding" => Some(Ok(Length::Chunked)),
            _ => None,
        }
    });
    Ok(Some(Head { end, status, length: length.context("an answer without a length")?? }))
}

/// A body in chunks, which is put together where it lies.
struct Chunks {
    read: usize,
    written: usize,
}

impl Chunks {
    /// Takes what has been read of it. Returns whether that was all of it.
    fn join(&mut self, buffer: &mut [u8]) -> anyhow::Result<bool> {
        while let Some(line) = buffer[self.read..].windows(2).position(|bytes| bytes == b"\r\n") {
            let size = std::str::from_utf8(&buffer[self.read..self.read + line])?;
            let (start, size) = (self.read + line + 2, usize::from_str_radix(size, 16)?);
            let end = start.saturating_add(size);
            if buffer.len() < end.saturating_add(2) {
                return Ok(false);
            }
            buffer.copy_within(start..end, self.written);
            (self.read, self.written) = (end + 2, self.written + size);
            if size == 0 {
                ensure!(self.read == buffer.len(), "more was answered than announced");
                return Ok(true);
            }
        }
        Ok(false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_read_once_it_is_whole() {
        let answer = b"HTTP/1.1 200 OK\r\nvary: x\r\nContent-Length: 2\r\n\r\n{}";
        assert_eq!(parse_head(&answer[..30]).unwrap(), None);
        let head = |end, status, bytes| Some(Head { end, status, length: Length::Bytes(bytes) });
        assert_eq!(parse_head(answer).unwrap(), head(answer.len() - 2, 200, 2));
        assert_eq!(parse_head(b"HTTP/1.1 204 No Content\r\n\r\n").unwrap(), head(27, 204, 0));
    }

    #[test]
    fn an_answer_without_a_length_is_a_failure() {
        assert!(parse_head(b"HTTP/1.1 200 OK\r\nvary: x\r\n\r\n").is_err());
    }

    #[test]
    fn a_body_in_chunks_is_put_together_however_it_arrives() {
        let sent =
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n[1,\r\na\r\n2,\"\r\n\r\n\"]\n\r\n0\r\n\r\n";
        for first in 0..sent.len() {
            let Some(head) = parse_head(&sent[..first]).unwrap() else { continue };
            assert_eq!(head.length, Length::Chunked);
            let (mut buffer, mut chunks) = (sent.to_vec(), Chunks { read: head.end, written: head.end });
            assert!(!chunks.join(&mut buffer[..first]).unwrap(), "{first}");
            assert!(chunks.join(&mut buffer).unwrap(), "{first}");
            assert_eq!(&buffer[head.end..chunks.written], b"[1,2,\"\r\n\r\n\"]\n", "{first}");
        }
    }
}
