//! The figures over HTTP: GET /metrics, and nothing else.
//!
//! On loopback only. A page in somebody's browser must not read them by way of a name that leads here
//! (DNS rebinding), so the Host field has to be a name of this machine.
// SPDX-License-Identifier: GPL-3.0-or-later

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{CONTENT_TYPE, HOST};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;
use tokio::time::{sleep, timeout};

use super::Metrics;
use crate::observe;

/// How many may ask at a time. Others wait.
const MOST: usize = 8;
/// How long a connection may last, from its request to the last octet of the answer.
const PATIENCE: Duration = Duration::from_secs(20);
/// How long the header of a request may take.
const HEADER: Duration = Duration::from_secs(5);
/// The type of the Prometheus text format.
const TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Serves the figures until it is dropped.
pub async fn serve(listener: TcpListener, metrics: Arc<Metrics>) {
    let places = Arc::new(Semaphore::new(MOST));
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                observe::agent_fault(&error);
                sleep(Duration::from_millis(200)).await;
                continue;
            }
        };
        let metrics = Arc::clone(&metrics);
        tokio::spawn(async move {
            let service = service_fn(|request| answer(request, Arc::clone(&metrics)));
            let connection = http1::Builder::new()
                .keep_alive(false)
                .timer(TokioTimer::new())
                .header_read_timeout(HEADER)
                .max_buf_size(16 << 10)
                .serve_connection(TokioIo::new(stream), service);
            // Whoever is slow or talks nonsense is cut off, and nobody has to hear of it.
            let _ = timeout(PATIENCE, connection).await;
            drop(place);
        });
    }
}

async fn answer(
    request: Request<Incoming>,
    metrics: Arc<Metrics>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let host = request.headers().get(HOST).and_then(|host| host.to_str().ok());
    if !host.is_some_and(is_this_machine) {
        return Ok(plain(StatusCode::MISDIRECTED_REQUEST, "not a name of this machine\n"));
    }
    if request.method() != Method::GET {
        return Ok(plain(StatusCode::METHOD_NOT_ALLOWED, "GET only\n"));
    }
    Ok(match request.uri().path() {
        "/metrics" => {
            let text = spawn_blocking(move || metrics.text()).await.unwrap_or_default();
            let mut response = plain(StatusCode::OK, "");
            *response.body_mut() = Full::from(text);
            response
                .headers_mut()
                .insert(CONTENT_TYPE, hyper::header::HeaderValue::from_static(TYPE));
            response
        }
        "/healthz" => plain(StatusCode::OK, "ok\n"),
        _ => plain(StatusCode::NOT_FOUND, "see /metrics\n"),
    })
}

/// Whether a Host field names this machine by a name that nobody else can hand out.
fn is_this_machine(host: &str) -> bool {
    let name = match host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((ip, _)) => ip,
        None => host.rsplit_once(':').map_or(host, |(name, _)| name),
    };
    name == "localhost" || name.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

fn plain(status: StatusCode, text: &'static str) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::from(text));
    *response.status_mut() = status;
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agent::lookout::Sight;
    use std::sync::atomic::AtomicBool;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpStream;

    async fn start() -> std::net::SocketAddr {
        let text = "[system.x]\ninbound = \"in@ats.example\"\naddresses = [\"jobs@acme.example\"]\n\
                    state_dir = \"/nonexistent\"\n";
        let text = text.replace("state_dir", "\n#state_dir");
        let config = crate::config::parse(&[("recruit-milter.toml".into(), text)]).unwrap().config;
        let current = Arc::new(arc_swap::ArcSwap::from_pointee(config));
        let reloaded = Arc::new(AtomicBool::new(true));
        let metrics = Arc::new(Metrics::new(current, Arc::default(), reloaded, Sight::default()));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(serve(listener, metrics));
        address
    }

    async fn ask(address: std::net::SocketAddr, request: &str) -> String {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn figures_are_given_to_those_who_ask_for_them_by_name_of_this_machine() {
        let address = start().await;
        let port = address.port();
        for (request, status) in [
            (format!("GET /metrics HTTP/1.1\r\nHost: localhost:{port}\r\n\r\n"), "200"),
            (format!("GET /metrics HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n"), "200"),
            (format!("GET /healthz HTTP/1.1\r\nHost: [::1]:{port}\r\n\r\n"), "200"),
            (format!("GET / HTTP/1.1\r\nHost: localhost:{port}\r\n\r\n"), "404"),
            (format!("GET /metrics HTTP/1.1\r\nHost: evil.example:{port}\r\n\r\n"), "421"),
            ("GET /metrics HTTP/1.1\r\nHost: 127.0.0.1.evil.example\r\n\r\n".into(), "421"),
            ("GET /metrics HTTP/1.1\r\n\r\n".into(), "421"),
            (format!("POST /metrics HTTP/1.1\r\nHost: localhost:{port}\r\n\r\n"), "405"),
            ("nonsense\r\n\r\n".into(), "400"),
        ] {
            let answer = ask(address, &request).await;
            assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{request}{answer}");
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn whoever_is_slow_keeps_nobody_waiting() {
        let address = start().await;
        let mut slow = Vec::new();
        for _ in 0..MOST - 1 {
            let mut stream = TcpStream::connect(address).await.unwrap();
            stream.write_all(b"GET /met").await.unwrap();
            slow.push(stream);
        }
        let answer = ask(address, "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
        assert!(answer.ends_with("\r\n\r\nok\n"), "{answer}");
    }
}
