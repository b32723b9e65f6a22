//! exec over SPDY/3.1, protocol v4.

use std::{collections::HashMap, time::Duration};

use anyhow::Result;
use tokio::{
    io::{AsyncWriteExt, ReadHalf, WriteHalf},
    sync::Mutex,
    time::timeout,
};

use super::{Command, Exec, SUCCESS, TEXT};
use crate::{
    net::{Conn, HttpHead, Io},
    spdy,
};

type Input = spdy::SpdyReader<ReadHalf<Io>>;
type Output = Mutex<WriteHalf<Io>>;

/// The client's streams: ids by stream type.
struct Streams(HashMap<String, u32>);

impl Streams {
    /// 0 if there is no such stream.
    fn id(&self, kind: &str) -> u32 {
        self.0.get(kind).copied().unwrap_or(0)
    }
}

/// Serves one exec request to its end.
pub(super) async fn serve(mut conn: Conn, head: &HttpHead, exec: Exec) -> Result<()> {
    if !negotiate(&mut conn, head).await? {
        return Ok(());
    }
    let (read, out) = tokio::io::split(conn.io);
    let mut input = spdy::SpdyReader { io: read, buf: conn.buf };
    let out = Mutex::new(out);
    let Some(streams) = accept_streams(&exec, &mut input, &out).await? else { return Ok(()) };
    if !run(&exec, &streams, &mut input, &out).await? {
        return Ok(());
    }
    finish(&streams, &out).await?;
    let _ = timeout(Duration::from_secs(2), async { while let Ok(Some(_)) = input.next().await {} }).await;
    Ok(())
}

/// Answers with the 101, or with a 403 if v4 is not offered: then returns false.
async fn negotiate(conn: &mut Conn, head: &HttpHead) -> Result<bool> {
    let v4 = head
        .headers
        .iter()
        .filter(|(n, _)| n.eq_ignore_ascii_case("x-stream-protocol-version"))
        .flat_map(|(_, v)| v.split(','))
        .any(|v| v.trim() == "v4.channel.k8s.io");
    let reply = if v4 {
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\n\
         X-Stream-Protocol-Version: v4.channel.k8s.io\r\n\r\n"
    } else {
        "HTTP/1.1 403 Forbidden\r\nX-Accepted-Stream-Protocol-Versions: v4.channel.k8s.io\r\n\
             Content-Length: 0\r\nConnection: close\r\n\r\n"
    };
    conn.io.write_all(reply.as_bytes()).await?;
    conn.io.flush().await?;
    Ok(v4)
}

/// Waits until the client has opened all streams of the request. `None` if it leaves before.
async fn accept_streams(exec: &Exec, input: &mut Input, out: &Output) -> Result<Option<Streams>> {
    let (mut unzip, mut zip) = (spdy::Inflate::new(), spdy::Deflate::new()?);
    let mut streams = HashMap::new();
    let wanted = 1 + [exec.stdin, exec.stdout, exec.stderr, exec.tty].iter().filter(|f| **f).count();
    while streams.len() < wanted {
        match input.next().await? {
            Some(spdy::Frame::SynStream { id, block }) => {
                let kind = unzip.block(&block)?.into_iter().find(|(n, _)| n == "streamtype");
                streams.insert(kind.map(|(_, v)| v).unwrap_or_default(), id);
                write(out, &spdy::syn_reply(id, &zip.block(&[])?)).await?;
            }
            Some(spdy::Frame::Ping(id)) => write(out, &spdy::ping(id)).await?,
            Some(spdy::Frame::GoAway) | None => return Ok(None),
            Some(_) => {}
        }
    }
    Ok(Some(Streams(streams)))
}

/// Runs the command. Returns false if the client has left.
async fn run(exec: &Exec, streams: &Streams, input: &mut Input, out: &Output) -> Result<bool> {
    let stdout = streams.id("stdout");
    let mut stdin = Box::pin(read_stdin(exec, streams, input, out));
    match exec.command {
        Command::Flood { total, chunk } => {
            // The output continues if stdin closes early.
            let output = flood(out, stdout, total, chunk);
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

/// Reads until stdin closes: returns true then, and false if the client has left. Answers PINGs.
async fn read_stdin(exec: &Exec, streams: &Streams, input: &mut Input, out: &Output) -> Result<bool> {
    let (stdin, stdout) = (streams.id("stdin"), streams.id("stdout"));
    let echo = matches!(exec.command, Command::Echo);
    while let Some(frame) = input.next().await? {
        match frame {
            spdy::Frame::Ping(id) => write(out, &spdy::ping(id)).await?,
            spdy::Frame::Data { id, fin, data } if id == stdin => {
                if echo && !data.is_empty() {
                    let mut back = Vec::with_capacity(8 + data.len());
                    spdy::data(&mut back, stdout, 0, &data);
                    write(out, &back).await?;
                }
                if fin {
                    return Ok(true);
                }
            }
            spdy::Frame::GoAway => return Ok(false),
            _ => {}
        }
    }
    Ok(false)
}

async fn flood(out: &Output, stdout: u32, total: usize, chunk: usize) -> Result<()> {
    let mut frame = Vec::with_capacity(chunk + 8);
    let parts = TEXT.chunks_exact(chunk).cycle().take(total / chunk);
    let rest = TEXT.chunks_exact(chunk).nth(total / chunk % (TEXT.len() / chunk)).unwrap_or(&[]);
    for part in parts.chain([&rest[..total % chunk]]) {
        if part.is_empty() {
            continue;
        }
        frame.clear();
        spdy::data(&mut frame, stdout, 0, part);
        write(out, &frame).await?;
    }
    Ok(())
}

/// Sends FIN on stdout, the status, a reset for each stream and GOAWAY.
async fn finish(streams: &Streams, out: &Output) -> Result<()> {
    let mut end = Vec::new();
    let stdout = streams.id("stdout");
    if stdout != 0 {
        spdy::data(&mut end, stdout, spdy::FIN, &[]);
    }
    spdy::data(&mut end, streams.id("error"), 0, SUCCESS.as_bytes());
    let mut ids: Vec<u32> = streams.0.values().copied().collect();
    ids.sort_unstable();
    ids.iter().for_each(|id| end.extend(spdy::reset(*id)));
    end.extend(spdy::go_away(ids.last().copied().unwrap_or(0)));
    write(out, &end).await?;
    Ok(out.lock().await.shutdown().await?)
}

async fn write(out: &Output, bytes: &[u8]) -> Result<()> {
    let mut out = out.lock().await;
    out.write_all(bytes).await?;
    Ok(out.flush().await?)
}
