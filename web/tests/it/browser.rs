use bytes::Bytes;
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper_util::{client::legacy::Client, rt::TokioExecutor};

use crate::site::Site;

/// What came back.
pub struct Reply {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: String,
}

impl Reply {
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap()
    }
}

/// Follows nothing, keeps one cookie.
pub struct Browser<'a> {
    site: &'a Site,
    pub cookie: String,
}

impl<'a> Browser<'a> {
    pub fn new(site: &'a Site) -> Self {
        Self { site, cookie: String::new() }
    }

    /// One that used the site's one-time link.
    pub async fn logged_in(site: &'a Site) -> Self {
        let mut browser = Self::new(site);
        let reply = browser.post(&site.link, "").await;
        assert_eq!((reply.status, reply.header("location")), (StatusCode::SEE_OTHER, "/"));
        browser
    }

    pub async fn get(&mut self, path: &str) -> Reply {
        self.send(Request::builder().method(Method::GET).uri(self.uri(path)), "").await
    }

    /// A form, sent by a page of the site.
    pub async fn post(&mut self, path: &str, form: &str) -> Reply {
        let origin = format!("http://{}", self.site.address);
        self.post_from(&origin, path, form).await
    }

    /// A form, sent by a page of another origin.
    pub async fn post_from(&mut self, origin: &str, path: &str, form: &str) -> Reply {
        let request = Request::builder().method(Method::POST).uri(self.uri(path));
        let request = request.header("content-type", "application/x-www-form-urlencoded").header("origin", origin);
        self.send(request, form).await
    }

    pub async fn send(&mut self, request: http::request::Builder, body: &str) -> Reply {
        let request = request.header("cookie", &self.cookie).body(Full::new(Bytes::from(body.to_owned()))).unwrap();
        let client = Client::builder(TokioExecutor::new()).build_http();
        let (head, body) = client.request(request).await.unwrap().into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        if let Some(set) = head.headers.get("set-cookie") {
            self.cookie = set.to_str().unwrap().split(';').next().unwrap().to_owned();
        }
        Reply { status: head.status, headers: head.headers, body: String::from_utf8(body.to_vec()).unwrap() }
    }

    pub fn uri(&self, path: &str) -> String {
        format!("http://{}{path}", self.site.address)
    }
}
