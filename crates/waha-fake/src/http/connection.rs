//! One socket: requests in, replies out, until either side has enough.

use std::{future::Future, io, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, BufReader},
    net::TcpStream,
};

use super::{Reply, Request, reply::Delivery};

const MAX_HEAD: usize = 64 * 1024;
/// WAHA's limit (2025.12.3).
const MAX_BODY: usize = 50 * 1024 * 1024;

/// Answers the requests of a socket one after the other. An error ends the socket and concerns nobody else.
pub(crate) async fn serve<F>(stream: TcpStream, answer: impl Fn(Request) -> F) -> io::Result<()>
where
    F: Future<Output = Reply>,
{
    stream.set_nodelay(true)?;
    let mut stream = BufReader::new(stream);
    loop {
        let request = match read(&mut stream).await? {
            Read::Request(request) => request,
            Read::Closed => return Ok(()),
            Read::Refused(status) => return write(&mut stream, &Reply::empty(status)).await,
        };
        let keeps_alive = request.keeps_alive();
        let reply = answer(request).await;
        match reply.delivery {
            Delivery::Lost => return Ok(()),
            Delivery::Reset => return stream.get_ref().set_zero_linger(),
            _ => write(&mut stream, &reply).await?,
        }
        if !keeps_alive || matches!(reply.delivery, Delivery::Cut(_)) {
            return stream.get_mut().shutdown().await;
        }
    }
}

enum Read {
    Request(Request),
    Closed,
    Refused(u16),
}

async fn read(stream: &mut BufReader<TcpStream>) -> io::Result<Read> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(Read::Closed),
            Err(error) => return Err(error),
        }
        if head.len() > MAX_HEAD {
            return Ok(Read::Refused(431));
        }
    }
    let Some(mut request) = Request::from_head(&head) else {
        return Ok(Read::Refused(400));
    };
    if request.header("transfer-encoding").is_some() {
        return Ok(Read::Refused(411));
    }
    let length = match request.header("content-length").map(str::parse::<usize>) {
        None => 0,
        Some(Ok(length)) if length <= MAX_BODY => length,
        Some(Ok(_)) => return Ok(Read::Refused(413)),
        Some(Err(_)) => return Ok(Read::Refused(400)),
    };
    if length > 0 && request.header("expect").is_some() {
        stream.get_mut().write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await?;
    }
    request.body = vec![0; length];
    stream.read_exact(&mut request.body).await?;
    Ok(Read::Request(request))
}

async fn write(stream: &mut BufReader<TcpStream>, reply: &Reply) -> io::Result<()> {
    let stream = stream.get_mut();
    stream.write_all(head(reply).as_bytes()).await?;
    match reply.delivery {
        Delivery::Whole | Delivery::Lost | Delivery::Reset => stream.write_all(&reply.body).await,
        Delivery::Cut(after) => stream.write_all(&reply.body[..after.min(reply.body.len())]).await,
        Delivery::Slow(gap) => write_slowly(stream, &reply.body, gap).await,
        Delivery::Endless => write_endlessly(stream, &reply.body).await,
    }
}

fn head(reply: &Reply) -> String {
    let length = match reply.delivery {
        Delivery::Endless => "Transfer-Encoding: chunked".to_owned(),
        _ => format!("Content-Length: {}", reply.body.len()),
    };
    let headers = reply.headers.iter().map(|(name, value)| format!("{name}: {value}"));
    let first = [
        format!("HTTP/1.1 {} {}", reply.status, reason(reply.status)),
        "X-Powered-By: Express".to_owned(),
        "Access-Control-Allow-Origin: *".to_owned(),
    ];
    let lines: Vec<_> = first.into_iter().chain(headers).chain([length, String::new(), String::new()]).collect();
    lines.join("\r\n")
}

async fn write_slowly(stream: &mut TcpStream, body: &[u8], gap: Duration) -> io::Result<()> {
    for byte in body {
        tokio::time::sleep(gap).await;
        stream.write_all(&[*byte]).await?;
    }
    Ok(())
}

async fn write_endlessly(stream: &mut TcpStream, piece: &[u8]) -> io::Result<()> {
    if piece.is_empty() {
        return Ok(());
    }
    let chunk = [format!("{:x}\r\n", piece.len()).as_bytes(), piece, b"\r\n"].concat();
    loop {
        stream.write_all(&chunk).await?;
    }
}

const fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        201 => "Created",
        302 => "Found",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        411 => "Length Required",
        413 => "Payload Too Large",
        422 => "Unprocessable Entity",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        _ => "Unknown",
    }
}
