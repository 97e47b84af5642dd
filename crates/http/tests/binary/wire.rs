//! A client that sends each request once: what is lost shows, where others would send it again.

use std::io::{self, Error, ErrorKind};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// A connection that is kept for as long as the server lets it.
pub(crate) struct Wire {
    socket: BufReader<TcpStream>,
    /// How many requests it has carried.
    pub(crate) carried: usize,
}

/// What a request was answered.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    /// Whether the server said that it is going to close the connection.
    pub(crate) closes: bool,
    pub(crate) body: Vec<u8>,
}

impl Wire {
    /// Longer than any answer takes.
    const PATIENCE: Duration = Duration::from_mins(1);

    /// Connects to `127.0.0.1:12345`.
    pub(crate) async fn to(authority: &str) -> io::Result<Self> {
        Ok(Self { socket: BufReader::new(TcpStream::connect(authority).await?), carried: 0 })
    }

    /// Whether the server has closed it: nobody sends a request then.
    pub(crate) fn is_closed(&self) -> bool {
        match self.socket.get_ref().try_read(&mut [0]) {
            Err(error) => error.kind() != ErrorKind::WouldBlock,
            Ok(bytes) => {
                assert_eq!(bytes, 0, "nobody asked for that");
                true
            }
        }
    }

    /// Sends a request, whole, and reads its answer, whole.
    pub(crate) async fn exchange(&mut self, request: &[u8]) -> io::Result<Reply> {
        let exchanging = async {
            self.socket.get_mut().write_all(request).await?;
            self.carried += 1;
            self.read().await
        };
        timeout(Self::PATIENCE, exchanging).await.map_err(|_| Error::from(ErrorKind::TimedOut))?
    }

    async fn read(&mut self) -> io::Result<Reply> {
        let status = self.line().await?;
        let status = status.split(' ').nth(1).and_then(|status| status.parse().ok()).ok_or(ErrorKind::InvalidData)?;
        let (mut length, mut closes) = (None, false);
        loop {
            let line = self.line().await?.to_ascii_lowercase();
            match line.split_once(": ") {
                Some(("content-length", value)) => length = value.parse().ok(),
                Some(("connection", value)) => closes = value == "close",
                Some(_) => {}
                None => break,
            }
        }
        let body = match length {
            Some(length) => self.bytes(length).await?,
            None => self.chunks().await?,
        };
        Ok(Reply { status, closes, body })
    }

    async fn chunks(&mut self) -> io::Result<Vec<u8>> {
        let mut body = Vec::new();
        loop {
            let size = usize::from_str_radix(&self.line().await?, 16).map_err(|_| ErrorKind::InvalidData)?;
            body.extend(self.bytes(size).await?);
            self.line().await?;
            if size == 0 {
                return Ok(body);
            }
        }
    }

    async fn bytes(&mut self, length: usize) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; length];
        self.socket.read_exact(&mut bytes).await?;
        Ok(bytes)
    }

    async fn line(&mut self) -> io::Result<String> {
        let mut line = String::new();
        self.socket.read_line(&mut line).await?;
        line.strip_suffix("\r\n").map(str::to_owned).ok_or_else(|| ErrorKind::UnexpectedEof.into())
    }
}
