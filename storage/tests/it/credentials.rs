//! Where the key that signs S3 requests comes from, each source against a small server of its kind.
//!
//! The sources are told by the environment, which a process has one of: each test runs [`signs_in`] in a process of its
//! own, with an environment of its own.

use std::{
    path::Path,
    process::Command,
    sync::{Arc, Mutex},
};

use recording::Key;
use storage::{S3, S3Credentials, S3Settings, Store};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
};

/// What the process of a test is told beside what the sources are told.
const ENDPOINT: &str = "KUBETAPE_TEST_CREDENTIALS_ENDPOINT";
const ACCESS_KEY: &str = "KUBETAPE_TEST_CREDENTIALS_KEY";

/// Connects, writes an object and lists: three requests. Prints the error with its causes.
#[tokio::test]
#[ignore = "the other tests run it in processes of their own"]
async fn signs_in() {
    let key = std::env::var(ACCESS_KEY).ok();
    let settings = S3Settings {
        bucket: "b".to_owned(),
        prefix: String::new(),
        endpoint: Some(std::env::var(ENDPOINT).unwrap()),
        region: "us-east-1".to_owned(),
        path_style: true,
        credentials: S3Credentials { secret_key: key.clone(), access_key: key, session_token: None },
    };
    let done = async {
        let s3 = S3::connect(settings).await?;
        s3.put_new(&Key::new("k").unwrap(), "content".into()).await?;
        s3.list("", None, 1).await
    };
    if let Err(error) = done.await {
        let mut cause: Option<&dyn std::error::Error> = Some(&error);
        while let Some(error) = cause {
            println!("cause: {error}");
            cause = error.source();
        }
    }
}

/// What a server of everything that signs in saw, one line a request.
#[derive(Clone, Default)]
struct Seen(Arc<Mutex<Vec<String>>>);

impl Seen {
    fn lines(&self, start: &str) -> Vec<String> {
        self.0.lock().unwrap().iter().filter(|line| line.starts_with(start)).cloned().collect()
    }

    /// Access keys and tokens of the requests to the bucket.
    fn signed(&self) -> Vec<String> {
        let mut signed = self.lines("s3 ");
        signed.iter_mut().for_each(|line| line.replace_range(..3, ""));
        signed.dedup();
        signed
    }
}

/// A bucket, a token service, an agent of a container and an instance's metadata at one address. Credentials of
/// `seconds` are handed out; `refuses`: the bucket takes none.
async fn server(seconds: i64, refuses: bool) -> (String, Seen) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let seen = Seen::default();
    let log = seen.clone();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(stream, log.clone(), seconds, refuses));
        }
    });
    (endpoint, seen)
}

struct Request {
    line: String,
    headers: Vec<(String, String)>,
    body: String,
}

impl Request {
    async fn read(stream: &mut BufReader<TcpStream>) -> Option<Self> {
        let mut lines = Vec::new();
        loop {
            let mut line = String::new();
            stream.read_line(&mut line).await.ok().filter(|read| *read > 0)?;
            match line.trim_end() {
                "" => break,
                line => lines.push(line.to_owned()),
            }
        }
        let headers = lines.iter().skip(1).filter_map(|line| line.split_once(": "));
        let headers: Vec<_> = headers.map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned())).collect();
        let mut request = Self { line: lines.remove(0), headers, body: String::new() };
        let mut body = vec![0; request.header("content-length").parse().unwrap_or(0)];
        stream.read_exact(&mut body).await.ok()?;
        request.body = String::from_utf8_lossy(&body).into_owned();
        Some(request)
    }

    fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|(is, _)| is == name).map_or("", |(_, value)| value)
    }
}

async fn serve(stream: TcpStream, seen: Seen, seconds: i64, refuses: bool) {
    let mut stream = BufReader::new(stream);
    while let Some(request) = Request::read(&mut stream).await {
        let (said, status, body) = answer(&request, seconds, refuses);
        seen.0.lock().unwrap().push(said);
        let ttl = "x-aws-ec2-metadata-token-ttl-seconds: 21600\r\n";
        let head = format!("HTTP/1.1 {status} x\r\ncontent-length: {}\r\n{ttl}\r\n", body.len());
        if stream.write_all((head + &body).as_bytes()).await.is_err() {
            return;
        }
    }
}

/// What is noted of a request, and its answer.
fn answer(request: &Request, seconds: i64, refuses: bool) -> (String, u16, String) {
    let end = (jiff::Timestamp::now() + jiff::SignedDuration::from_secs(seconds)).strftime("%Y-%m-%dT%H:%M:%SZ");
    let json = |id: &str| {
        format!(
            r#"{{"Code":"Success","Type":"AWS-HMAC","AccessKeyId":"{id}","SecretAccessKey":"s","Token":"of-{id}",
                "Expiration":"{end}","LastUpdated":"2026-01-01T00:00:00Z"}}"#
        )
    };
    let (method, path) = request.line.split_once(' ').unwrap();
    let path = path.split(' ').next().unwrap();
    if path == "/latest/api/token" {
        return (format!("instance {method} token"), 200, "metadata-token".to_owned());
    }
    if path.starts_with("/latest/meta-data/iam/security-credentials") {
        let token = request.header("x-aws-ec2-metadata-token");
        let body = if path.ends_with("/role") { json("ASIAINSTANCE") } else { "role".to_owned() };
        return (format!("instance {path} {token}"), 200, body);
    }
    if path == "/container" {
        return (format!("container {}", request.header("authorization")), 200, json("ASIAPOD"));
    }
    if request.body.contains("Action=AssumeRoleWithWebIdentity") {
        let token = request.body.contains("WebIdentityToken=a-token");
        let body = format!(
            "<AssumeRoleWithWebIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">\
             <AssumeRoleWithWebIdentityResult><Credentials><AccessKeyId>ASIAIRSA</AccessKeyId>\
             <SecretAccessKey>s</SecretAccessKey><SessionToken>of-ASIAIRSA</SessionToken><Expiration>{end}</Expiration>\
             </Credentials><AssumedRoleUser><Arn>arn:aws:sts::1:assumed-role/r/s</Arn>\
             <AssumedRoleId>a:s</AssumedRoleId></AssumedRoleUser></AssumeRoleWithWebIdentityResult>\
             </AssumeRoleWithWebIdentityResponse>"
        );
        return (format!("sts {token}"), 200, body);
    }
    let key = request.header("authorization").split_once("Credential=").map_or("", |(_, rest)| rest);
    let key = key.split('/').next().unwrap_or_default();
    if method == "PUT" {
        let summed = request.headers.iter().any(|(name, _)| name.starts_with("x-amz-checksum-"));
        return (format!("put checksum={summed}"), 200, String::new());
    }
    let said = format!("s3 {key} {}", request.header("x-amz-security-token"));
    match refuses {
        true => (said, 403, "<Error><Code>InvalidAccessKeyId</Code></Error>".to_owned()),
        false => (said, 200, "<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>".to_owned()),
    }
}

/// Runs [`signs_in`] with this environment and nothing else. Returns the causes of its error; none if it worked.
async fn run(endpoint: &str, home: &Path, environment: &[(&str, &str)]) -> Vec<String> {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["credentials::signs_in", "--exact", "--ignored", "--nocapture"]);
    command.env_clear().env("PATH", "/usr/bin:/bin").env("HOME", home).env(ENDPOINT, endpoint);
    command.envs(environment.iter().copied());
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    text.lines().filter_map(|line| line.split_once("cause: ")).map(|(_, cause)| cause.to_owned()).collect()
}

const NO_INSTANCE: (&str, &str) = ("AWS_EC2_METADATA_DISABLED", "true");

#[tokio::test]
async fn the_environment() {
    let (home, (endpoint, seen)) = (tempfile::tempdir().unwrap(), server(3600, false).await);
    let environment =
        [("AWS_ACCESS_KEY_ID", "AKIAENV"), ("AWS_SECRET_ACCESS_KEY", "s"), ("AWS_SESSION_TOKEN", "session")];
    assert_eq!(run(&endpoint, home.path(), &environment).await, [""; 0]);
    assert_eq!(seen.signed(), ["AKIAENV session"]);
}

#[tokio::test]
async fn a_key_of_the_configuration_wins() {
    let (home, (endpoint, seen)) = (tempfile::tempdir().unwrap(), server(3600, false).await);
    let environment = [(ACCESS_KEY, "AKIAOURS"), ("AWS_ACCESS_KEY_ID", "AKIAENV"), ("AWS_SECRET_ACCESS_KEY", "s")];
    assert_eq!(run(&endpoint, home.path(), &environment).await, [""; 0]);
    assert_eq!(seen.signed(), ["AKIAOURS "]);
}

#[tokio::test]
async fn a_profile() {
    let (home, (endpoint, seen)) = (tempfile::tempdir().unwrap(), server(3600, false).await);
    std::fs::create_dir(home.path().join(".aws")).unwrap();
    let text = "[default]\naws_access_key_id = AKIADEFAULT\naws_secret_access_key = s\n\
                [other]\naws_access_key_id = AKIAOTHER\naws_secret_access_key = s\n";
    std::fs::write(home.path().join(".aws/credentials"), text).unwrap();
    assert_eq!(run(&endpoint, home.path(), &[]).await, [""; 0]);
    assert_eq!(run(&endpoint, home.path(), &[("AWS_PROFILE", "other")]).await, [""; 0]);
    assert_eq!(seen.signed(), ["AKIADEFAULT ", "AKIAOTHER "]);
}

#[tokio::test]
async fn a_program() {
    let (home, (endpoint, seen)) = (tempfile::tempdir().unwrap(), server(3600, false).await);
    std::fs::create_dir(home.path().join(".aws")).unwrap();
    let said = r#"{"Version":1,"AccessKeyId":"ASIAPROGRAM","SecretAccessKey":"s","SessionToken":"t"}"#;
    std::fs::write(home.path().join("said.json"), said).unwrap();
    let text = format!("[default]\ncredential_process = cat {}/said.json\n", home.path().display());
    std::fs::write(home.path().join(".aws/config"), text).unwrap();
    assert_eq!(run(&endpoint, home.path(), &[]).await, [""; 0]);
    assert_eq!(seen.signed(), ["ASIAPROGRAM t"]);
}

#[tokio::test]
async fn a_web_identity() {
    let (home, (endpoint, seen)) = (tempfile::tempdir().unwrap(), server(3600, false).await);
    let token = home.path().join("token");
    std::fs::write(&token, "a-token").unwrap();
    let environment = [
        ("AWS_WEB_IDENTITY_TOKEN_FILE", token.to_str().unwrap()),
        ("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/recorder"),
        ("AWS_ENDPOINT_URL_STS", endpoint.as_str()),
    ];
    assert_eq!(run(&endpoint, home.path(), &environment).await, [""; 0]);
    assert_eq!(seen.signed(), ["ASIAIRSA of-ASIAIRSA"]);
    assert!(seen.lines("sts ").iter().all(|line| line == "sts true"), "{:?}", seen.lines("sts "));
}

/// EKS Pod Identity and ECS: an agent beside the container, asked with a token of a file.
async fn in_a_container(seconds: i64) -> Seen {
    let (home, (endpoint, seen)) = (tempfile::tempdir().unwrap(), server(seconds, false).await);
    let token = home.path().join("token");
    std::fs::write(&token, "pod-token").unwrap();
    let agent = format!("{endpoint}/container");
    let environment = [
        ("AWS_CONTAINER_CREDENTIALS_FULL_URI", agent.as_str()),
        ("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", token.to_str().unwrap()),
    ];
    assert_eq!(run(&endpoint, home.path(), &environment).await, [""; 0]);
    assert_eq!(seen.signed(), ["ASIAPOD of-ASIAPOD"]);
    assert!(seen.lines("container ").iter().all(|line| line == "container pod-token"));
    seen
}

#[tokio::test]
async fn a_container() {
    let asked = in_a_container(3600).await.lines("container ").len();
    assert_eq!(asked, 2, "once at the start, once for all requests");
}

#[tokio::test]
async fn credentials_are_renewed_before_they_expire() {
    let asked = in_a_container(30).await.lines("container ").len();
    assert_eq!(asked, 4, "at the start, and for each of three requests, since less than a minute is left");
}

#[tokio::test]
async fn an_instance() {
    let (home, (endpoint, seen)) = (tempfile::tempdir().unwrap(), server(3600, false).await);
    let environment = [("AWS_EC2_METADATA_SERVICE_ENDPOINT", endpoint.as_str())];
    assert_eq!(run(&endpoint, home.path(), &environment).await, [""; 0]);
    assert_eq!(seen.signed(), ["ASIAINSTANCE of-ASIAINSTANCE"]);
    let asked = seen.lines("instance /");
    assert!(!asked.is_empty() && asked.iter().all(|line| line.ends_with(" metadata-token")), "{asked:?}");
}

#[tokio::test]
async fn without_any_the_error_names_what_was_tried() {
    let (home, (endpoint, seen)) = (tempfile::tempdir().unwrap(), server(3600, false).await);
    let causes = run(&endpoint, home.path(), &[NO_INSTANCE]).await;
    assert_eq!(causes[0], "cannot sign in to s3://b/");
    for source in
        ["`access_key`", "AWS_ACCESS_KEY_ID", "AWS_PROFILE", "AWS_WEB_IDENTITY_TOKEN_FILE", "CONTAINER", "IMDS"]
    {
        assert!(causes[1].contains(source), "{source}: {causes:?}");
    }
    assert_eq!(seen.signed(), [""; 0]);
}

#[tokio::test]
async fn a_source_that_is_there_and_fails_is_named() {
    let (home, (endpoint, _)) = (tempfile::tempdir().unwrap(), server(3600, false).await);
    std::fs::create_dir(home.path().join(".aws")).unwrap();
    std::fs::write(home.path().join(".aws/config"), "[default]\ncredential_process = false\n").unwrap();
    let causes = run(&endpoint, home.path(), &[NO_INSTANCE, ("AWS_PROFILE", "no-such")]).await;
    assert!(causes[1].contains("no-such"), "{causes:?}");
    let causes = run(&endpoint, home.path(), &[NO_INSTANCE]).await;
    assert!(causes[1].starts_with("the credentials of the profile"), "{causes:?}");
}

#[tokio::test]
async fn a_key_that_is_refused_is_named_with_its_source() {
    let (home, (endpoint, _)) = (tempfile::tempdir().unwrap(), server(3600, true).await);
    let environment = [("AWS_ACCESS_KEY_ID", "AKIAENV"), ("AWS_SECRET_ACCESS_KEY", "the-secret")];
    let causes = run(&endpoint, home.path(), &environment).await;
    assert_eq!(causes[0], "cannot list s3://b/");
    assert!(causes[1].starts_with("the server refused the access key AKIAENV of the environment"), "{causes:?}");
    assert!(!causes.concat().contains("the-secret"));
}

#[tokio::test]
async fn checksums_are_left_out_for_a_server_that_does_not_know_them() {
    let (home, (endpoint, seen)) = (tempfile::tempdir().unwrap(), server(3600, false).await);
    let key = (ACCESS_KEY, "AKIAOURS");
    assert_eq!(run(&endpoint, home.path(), &[key]).await, [""; 0]);
    let required = ("AWS_REQUEST_CHECKSUM_CALCULATION", "when_required");
    assert_eq!(run(&endpoint, home.path(), &[key, required]).await, [""; 0]);
    assert_eq!(seen.lines("put "), ["put checksum=true", "put checksum=false"]);
}
