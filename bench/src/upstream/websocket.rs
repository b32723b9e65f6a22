//! exec over WebSocket, protocols v5 and v4.

use std::{
    collections::HashMap,
    sync::{Arc, LazyLock, Mutex as StdMutex},
    time::Duration,
};

use anyhow::Result;
use bytes::{Bytes, BytesMut};
use futures_util::{
    SinkExt, Stream, StreamExt,
    stream::{SplitSink, SplitStream},
};
use tokio::{io::AsyncWriteExt, sync::Mutex, time::timeout};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{
        Error, Message,
        handshake::derive_accept_key,
        protocol::{CloseFrame, Role, frame::coding::CloseCode},
    },
};

use super::{Command, Exec, SUCCESS, TEXT};
use crate::net::{Conn, HttpHead, Io};

type WsSink = Mutex<SplitSink<WebSocketStream<Io>, Message>>;

/// Serves one exec request to its end.
pub(super) async fn serve(mut conn: Conn, head: &HttpHead, exec: Exec) -> Result<()> {
    if !negotiate(&mut conn, head).await? {
        return Ok(());
    }
    let ws = WebSocketStream::from_partially_read(conn.io, conn.buf.to_vec(), Role::Server, None).await;
    let (out, mut input) = ws.split();
    let out: WsSink = Mutex::new(out);
    send(&out, Message::binary(Bytes::from_static(&[1]))).await?;
    if !run(&exec, &out, &mut input).await? {
        return Ok(());
    }
    finish(out, input).await
}

/// Answers with the 101, or with a 403 if no protocol is known: then returns false.
async fn negotiate(conn: &mut Conn, head: &HttpHead) -> Result<bool> {
    let offered = head.get("sec-websocket-protocol").unwrap_or("");
    let offered: Vec<&str> = offered.split(',').map(str::trim).collect();
    let Some(protocol) = ["v5.channel.k8s.io", "v4.channel.k8s.io"].into_iter().find(|p| offered.contains(p)) else {
        conn.io.write_all(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").await?;
        conn.io.flush().await?;
        return Ok(false);
    };
    let accept = derive_accept_key(head.get("sec-websocket-key").unwrap_or("").as_bytes());
    let reply = format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {accept}\r\nSec-WebSocket-Protocol: {protocol}\r\n\r\n"
    );
    conn.io.write_all(reply.as_bytes()).await?;
    conn.io.flush().await?;
    Ok(true)
}

/// Runs the command. Returns false if the client has left.
async fn run(exec: &Exec, out: &WsSink, input: &mut SplitStream<WebSocketStream<Io>>) -> Result<bool> {
    let mut stdin = Box::pin(read_stdin(input, out, matches!(exec.command, Command::Echo)));
    match exec.command {
        Command::Flood { total, chunk } => {
            // The output continues if stdin closes early.
            let output = flood(out, total, chunk);
            tokio::pin!(output);
            tokio::select! {
                done = &mut output => done?,
                more = &mut stdin => {
                    if !more? { return Ok(false); }
                    output.await?;
                }
            }
            Ok(true)
        }
        Command::Echo | Command::Idle if exec.stdin => stdin.as_mut().await,
        Command::Echo | Command::Idle | Command::True => Ok(true),
    }
}

/// Reads until stdin closes: returns true then, and false if the client has left. The library queues PONGs while it
/// reads, so this answers PINGs, too.
async fn read_stdin(
    input: &mut (impl Stream<Item = Result<Message, Error>> + Unpin),
    out: &WsSink,
    echo: bool,
) -> Result<bool> {
    while let Some(message) = input.next().await {
        match message? {
            Message::Binary(m) if m[..] == [255, 0] => return Ok(true),
            Message::Binary(m) if echo && m.len() > 1 && m[0] == 0 => {
                let mut back = m.to_vec();
                back[0] = 1;
                send(out, Message::binary(back)).await?;
            }
            Message::Ping(_) => out.lock().await.flush().await?,
            Message::Close(_) => return Ok(false),
            _ => {}
        }
    }
    Ok(false)
}

/// Sends the status and CLOSE, and waits for the client's.
async fn finish(out: WsSink, mut input: SplitStream<WebSocketStream<Io>>) -> Result<()> {
    let status = [&[3], SUCCESS.as_bytes()].concat();
    let close = CloseFrame { code: CloseCode::Normal, reason: "".into() };
    let mut out = out.into_inner();
    out.feed(Message::binary(status)).await?;
    out.feed(Message::Close(Some(close))).await?;
    out.flush().await?;
    // The peer's CLOSE or its end of stream, then ours.
    let _ = timeout(Duration::from_secs(2), async { while let Some(Ok(_)) = input.next().await {} }).await;
    let mut ws = input.reunite(out)?;
    let _ = ws.get_mut().shutdown().await;
    Ok(())
}

async fn send(out: &WsSink, message: Message) -> Result<()> {
    Ok(out.lock().await.send(message).await?)
}

/// One write (so at least one TLS record) per message, as the API server does it.
async fn flood(out: &WsSink, total: usize, chunk: usize) -> Result<()> {
    let ready = messages(chunk);
    for message in ready.iter().cycle().take(total / chunk) {
        send(out, Message::Binary(message.clone())).await?;
    }
    let rest = total % chunk;
    if rest > 0 {
        send(out, Message::Binary(ready[total / chunk % ready.len()].slice(..rest + 1))).await?;
    }
    Ok(())
}

/// The text as messages of `chunk` bytes behind the byte of the stdout channel, made once for each size.
fn messages(chunk: usize) -> Arc<Vec<Bytes>> {
    static CACHE: LazyLock<StdMutex<HashMap<usize, Arc<Vec<Bytes>>>>> = LazyLock::new(Default::default);
    let mut cache = CACHE.lock().unwrap();
    let make = || {
        let mut all = BytesMut::with_capacity(TEXT.len() / chunk * (chunk + 1));
        TEXT.chunks_exact(chunk).for_each(|part| {
            all.extend_from_slice(&[1]);
            all.extend_from_slice(part);
        });
        let all = all.freeze();
        Arc::new((0..all.len()).step_by(chunk + 1).map(|at| all.slice(at..at + chunk + 1)).collect())
    };
    cache.entry(chunk).or_insert_with(make).clone()
}
