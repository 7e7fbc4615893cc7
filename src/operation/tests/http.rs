//! The endpoint against clients that are polite, slow, many or wrong.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::watch;

use super::BUILD;
use crate::limits::{HTTP_CONNECTIONS_MAX, HTTP_HEAD_BYTES_MAX};
use crate::operation::{Endpoint, Health, Status, of_server};

/// Runs `test` beside an endpoint, with where it is and what sets its status.
fn beside<F: Future<Output = ()>>(test: impl FnOnce(SocketAddr, watch::Sender<Status>) -> F) {
    beside_one_with(Duration::from_secs(3_600), test);
}

/// The same with an endpoint that gives a connection so long.
fn beside_one_with<F: Future<Output = ()>>(
    patience: Duration,
    test: impl FnOnce(SocketAddr, watch::Sender<Status>) -> F,
) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut endpoint = Endpoint::bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
        endpoint.patience = patience;
        let (address, (status, seen)) = (endpoint.address(), watch::channel(Status::default()));
        tokio::select! {
            never = endpoint.serve(of_server(BUILD, seen)) => match never {},
            () = test(address, status) => {}
        }
    });
}

/// What is answered to `request`, until the other end closes.
async fn ask(address: SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    hear(&mut stream).await
}

async fn hear(stream: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    // A reset after the answer is a close.
    stream.read_to_end(&mut answer).await.ok();
    String::from_utf8(answer).unwrap()
}

fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: stentor\r\n\r\n")
}

#[test]
fn health_is_200_only_while_the_server_is_ready() {
    beside(async |address, status| {
        for (health, code) in Health::ALL.into_iter().zip(["503", "200", "503", "503"]) {
            status.send_modify(|status| status.health = health);
            let answer = ask(address, &get("/healthz")).await;
            assert!(answer.starts_with(&format!("HTTP/1.1 {code} ")), "{answer}");
            assert!(answer.ends_with(&format!("\r\n\r\n{}\n", health.word())), "{answer}");
        }
    });
}

#[test]
fn the_page_is_served_as_what_it_is() {
    beside(async |address, _status| {
        let answer = ask(address, &get("/metrics")).await;
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.contains("content-type: text/plain; version=0.0.4; charset=utf-8"), "{head}");
        super::format::read(body).unwrap();
        let head = ask(address, "HEAD /metrics HTTP/1.1\r\nHost: stentor\r\n\r\n").await;
        assert!(head.starts_with("HTTP/1.1 200 ") && head.ends_with("\r\n\r\n"), "{head}");
    });
}

#[test]
fn what_is_not_there_or_not_asked_for_politely_is_refused_by_its_code() {
    beside(async |address, _status| {
        let check = async |request: &str, code: &str| {
            let answer = ask(address, request).await;
            assert!(answer.starts_with(&format!("HTTP/1.1 {code} ")), "{answer}");
        };
        check(&get("/"), "404").await;
        check(&get("/metrics/../healthz"), "404").await;
        check("POST /metrics HTTP/1.1\r\nHost: s\r\nContent-Length: 9\r\n\r\n", "405").await;
        check("nonsense\r\n\r\n", "400").await;
        let long = format!("GET / HTTP/1.1\r\nA: {}\r\n\r\n", "a".repeat(2 * HTTP_HEAD_BYTES_MAX));
        check(&long, "431").await;
    });
}

#[test]
fn clients_that_say_nothing_make_room_for_one_that_asks() {
    beside(async |address, status| {
        status.send_modify(|status| status.health = Health::Ready);
        let mut silent = Vec::new();
        for _ in 0..2 * HTTP_CONNECTIONS_MAX {
            let mut stream = TcpStream::connect(address).await.unwrap();
            stream.write_all(b"GET /metr").await.unwrap();
            silent.push(stream);
        }
        assert!(ask(address, &get("/healthz")).await.ends_with("ready\n"));
        assert_eq!(hear(&mut silent[0]).await, "", "the oldest is dropped");
    });
}

#[test]
fn a_client_that_is_too_slow_is_dropped() {
    beside_one_with(Duration::from_millis(20), async |address, _status| {
        assert_eq!(ask(address, "GET /metr").await, "");
    });
}

#[test]
fn a_connection_ends_with_its_answer() {
    beside(async |address, _status| {
        let answer = ask(address, &get("/healthz").repeat(3)).await;
        assert_eq!(answer.matches("HTTP/1.1").count(), 1, "{answer}");
        assert!(answer.contains("connection: close"), "{answer}");
    });
}

#[test]
fn a_taken_address_is_one_line_that_says_which() {
    beside(async |address, _status| {
        let refusal = Endpoint::bind(address).await.unwrap_err().to_string();
        assert!(refusal.starts_with(&format!("cannot listen on TCP {address}: ")), "{refusal}");
        assert_eq!(refusal.lines().count(), 1);
    });
}
