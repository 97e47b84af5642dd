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
        let (head, status, length) = loop {
            filled += self.read(filled).await?;
            if let Some(head) = parse_head(&self.buffer[..filled])? {
                break head;
            }
        };
        let end = head + length;
        while filled < end {
            filled += self.read(filled).await?;
        }
        ensure!(filled == end, "more was answered than announced");
        Ok(Answer { status, body: &self.buffer[head..end] })
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

/// Where the body begins, the status, and how long the body is, once the head is there.
fn parse_head(read: &[u8]) -> anyhow::Result<Option<(usize, u16, usize)>> {
    let Some(end) = read.windows(4).position(|bytes| bytes == b"\r\n\r\n") else { return Ok(None) };
    let head = std::str::from_utf8(&read[..end])?;
    let mut lines = head.split("\r\n");
    let status = lines.next().and_then(|line| line.split(' ').nth(1)).context("an answer has a status")?.parse()?;
    if status == 204 {
        return Ok(Some((end + 4, status, 0)));
    }
    let length = lines.find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>())
    });
    Ok(Some((end + 4, status, length.context("an answer without a content-length")??)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_read_once_it_is_whole() {
        let answer = b"HTTP/1.1 200 OK\r\nvary: x\r\nContent-Length: 2\r\n\r\n{}";
        assert_eq!(parse_head(&answer[..30]).unwrap(), None);
        assert_eq!(parse_head(answer).unwrap(), Some((answer.len() - 2, 200, 2)));
        assert_eq!(parse_head(b"HTTP/1.1 204 No Content\r\n\r\n").unwrap(), Some((27, 204, 0)));
    }

    #[test]
    fn an_answer_without_a_length_is_a_failure() {
        assert!(parse_head(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n").is_err());
    }
}
