//! A socket on standard input and output, built on tokio-tungstenite. Tests use it to check how
//! clients work with the hub.
//!
//! `cargo run --example pipe -- ws://localhost:8080/ws 'switchboard=…'`. A line that is an object
//! is sent unchanged. A line that is a list is a command: `["ping", "payload"]`, `["fragments",
//! ["{", "}"]]`, `["close", 1000]`. Input from the hub is printed likewise: frames, `["pong",
//! "payload"]`, `["closed", 1000]`.

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use std::error::Error;
use std::io::stdin;
use std::thread;
use tokio::sync::mpsc;
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};

/// Returns the messages that a line stands for.
fn messages(line: &str) -> Result<Vec<Message>, Box<dyn Error>> {
    if line.starts_with('{') {
        return Ok(vec![Message::text(line)]);
    }
    match serde_json::from_str(line)? {
        Value::Array(list) => match list.as_slice() {
            [Value::String(what), Value::String(payload)] if what == "ping" => {
                Ok(vec![Message::Ping(payload.clone().into())])
            }
            [Value::String(what), Value::Array(parts)] if what == "fragments" => Ok(fragments(parts)),
            [Value::String(what), Value::Number(code)] if what == "close" => {
                let code = u16::try_from(code.as_u64().unwrap_or_default())?;
                Ok(vec![Message::Close(Some(CloseFrame { code: code.into(), reason: "".into() }))])
            }
            _ => Err("an unknown list".into()),
        },
        _ => Err("neither an object nor a list".into()),
    }
}

fn fragments(parts: &[Value]) -> Vec<Message> {
    let last = parts.len() - 1;
    let parts = parts.iter().enumerate().map(|(number, part)| {
        let code = OpCode::Data(if number == 0 { Data::Text } else { Data::Continue });
        let payload = part.as_str().unwrap_or_default().to_owned();
        Message::Frame(Frame::message(payload, code, number == last))
    });
    parts.collect()
}

/// Returns the line for a received message; none for a message that is not printed.
fn line(message: &Message) -> Option<String> {
    match message {
        Message::Text(text) => Some(text.to_string()),
        Message::Pong(payload) => Some(json!(["pong", String::from_utf8_lossy(payload)]).to_string()),
        Message::Close(reason) => {
            Some(json!(["closed", reason.as_ref().map_or(1005, |reason| reason.code.into())]).to_string())
        }
        _ => None,
    }
}

#[actix_web::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(url), Some(cookie)) = (arguments.next(), arguments.next()) else {
        return Err("say where to, and with which cookie".into());
    };
    let mut request = url.into_client_request()?;
    request.headers_mut().insert("cookie", cookie.parse()?);
    let (mut socket, _) = connect_async(request).await?;
    let (said, mut lines) = mpsc::unbounded_channel();
    thread::spawn(move || stdin().lines().map_while(Result::ok).try_for_each(|line| said.send(line)));
    loop {
        tokio::select! {
            Some(line) = lines.recv() => {
                for message in messages(&line)? {
                    socket.send(message).await?;
                }
            }
            message = socket.next() => match message {
                Some(Ok(message)) => line(&message).into_iter().for_each(|line| println!("{line}")),
                // The end is an error for a client that did not ask for it.
                _ => return Ok(()),
            },
        }
    }
}
