use super::*;

/// A text in which `«…»` stands around what must be masked.
fn check(masks: &Masks, marked: &str) {
    let text = marked.replace(['«', '»'], "");
    let masked = masks.masked(&text);
    let mut rest = marked;
    while let Some((_, after)) = rest.split_once('«') {
        let (secret, after) = after.split_once('»').unwrap();
        assert!(!masked.contains(secret), "{secret:?} is still in {masked:?}");
        rest = after;
    }
    // What is around stays.
    let around = marked.split(['«', '»']).step_by(2);
    let mut at = 0;
    for part in around {
        let found = masked[at..].find(part);
        assert!(found.is_some(), "{part:?} is gone from {masked:?}");
        at += found.unwrap() + part.len();
    }
}

/// Letters and digits as random ones look; never a real token.
fn filler(length: usize) -> String {
    "aB3dE6gH9jK2mN5pQ8sT1vW4yZ7".chars().cycle().take(length).collect()
}

#[test]
fn secrets_of_known_shapes_are_masked() {
    let masks = Masks::default();
    let token = filler(40);
    for text in [
        format!("token is «eyJhbGciOiJub25lIn0.eyJzdWIiOiJhZGEifQ.{token}» ok"),
        "export AWS_ACCESS_KEY_ID=«AKIAIOSFODNN7EXAMPLE»".to_owned(),
        "id «ASIAIOSFODNN7EXAMPLE», next".to_owned(),
        format!("aws_secret_access_key = «{}»", filler(40)),
        format!("git clone https://«ghp_{}»@github.com/x/y", filler(36)),
        format!("«github_pat_{}»", filler(60)),
        format!("«glpat-{}»", filler(20)),
        format!("SLACK «xoxb-123456789012-{}»", filler(20)),
        format!("https://hooks.slack.com/services/«T000/B000/{}»", filler(24)),
        format!("«AIza{}»", filler(35)),
        format!("«sk_live_{}»", filler(24)),
        format!("//registry.npmjs.org/:_authToken=«npm_{}»", filler(36)),
        format!("«hvs.{}»", filler(30)),
        format!("curl -H 'Authorization: Bearer «{token}»' https://x"),
        format!("authorization: Basic «{token}»"),
        format!("X-Vault-Token: «{token}»"),
        "psql postgres://app:«hunter2»@db:5432/app".to_owned(),
        "redis://:«hunter2»@cache:6379".to_owned(),
        "mysql -h db -uroot -p«hunter2» app".to_owned(),
        "mysqldump --password=«hunter2» app".to_owned(),
        "vault login --token «s3cr3t»".to_owned(),
        "tool --api-key «\"a b c\"» run".to_owned(),
        "sshpass -p «hunter2» ssh host".to_owned(),
        "curl -u ada:«hunter2» https://x".to_owned(),
        "redis-cli -a «hunter2» ping".to_owned(),
        "PGPASSWORD=«hunter2» psql".to_owned(),
        "kubectl create secret generic x --from-literal=password=«hunter2»".to_owned(),
        "grant_type=x&client_secret=«hunter2»&scope=y".to_owned(),
        "{\"password\": «\"hunter2\"», \"user\": \"ada\"}".to_owned(),
        "  password: «hunter2»".to_owned(),
        "DefaultEndpointsProtocol=https;AccountKey=«".to_owned() + &filler(86) + "==»;",
        format!("-----BEGIN PRIVATE KEY-----«\\n{}\\n»-----END PRIVATE KEY-----", filler(64)),
    ] {
        check(&masks, &text);
    }
}

#[test]
fn ordinary_text_stays() {
    let masks = Masks::default();
    for text in [
        "kubectl get secrets -n prod",
        "kubectl create secret generic db --from-file=password=/run/x",
        "error: token expired, log in again",
        "Password: ",
        "password for ada: ",
        "secret/db-credentials created",
        "NAME   TYPE   DATA   AGE\ndb-token-x7d4b   kubernetes.io/service-account-token   3   4d",
        "--password-stdin --token-file /run/token --token $TOKEN",
        "nginx-7d4b9c5f6-x2x9z 1/1 Running 0 4d",
        "550e8400-e29b-41d4-a716-446655440000",
        "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        "https://example.org:8443/path?x=1",
        "git log --oneline | grep token",
        "commit 0750425ab3f1e2d4c5b6a7988f0e1d2c3b4a5968",
        "the bearer of this letter",
        "mysql -p app",
        "-----BEGIN CERTIFICATE-----",
        "ssh ada@host:22",
        "mkdir -p /var/tmp/password",
        "PASSWORD=$DB_PASSWORD PASSWORD=${X}",
        "time=\"2026-11-22T10:00:00Z\" level=info msg=\"GET /healthz\" status=200",
        "docker pull registry.example:5000/team/app:1.2.3",
        "key: value, tokens: 5, secretName: db",
        "secretKeyRef:\n  name: db",
    ] {
        assert_eq!(masks.masked(text), text);
    }
}

#[test]
fn a_secret_that_is_wrapped_is_masked_on_both_lines() {
    let masks = Masks::default();
    let secret = format!("eyJhbGciOiJub25lIn0.eyJzdWIiOiJhZGEifQ.{}", filler(150));
    let text = format!("the token is {secret}");
    for width in [20, 40, 80, 132] {
        let bytes = text.as_bytes().chunks(width);
        let mut lines: Vec<String> = bytes.map(|line| String::from_utf8(line.to_vec()).unwrap()).collect();
        lines.push("$ ls".to_owned());
        masks.mask_lines(lines.iter_mut());
        let all = lines.join("\n");
        assert!(!all.contains(&secret[20..40]) && !all.contains(&secret[secret.len() - 10..]), "{width}: {all}");
        assert!(all.starts_with("the token is [masked:jwt]") && all.ends_with("\n$ ls"), "{width}: {all}");
    }
}

fn keys(lines: &[&str]) -> Vec<String> {
    let mut keys = PrivateKeyMasker::default();
    let mask = |line: &&str| {
        let mut line = (*line).to_owned();
        keys.mask(&mut line);
        line
    };
    lines.iter().map(mask).collect()
}

#[test]
fn a_private_key_over_several_lines_is_masked() {
    let body = filler(64);
    let lines = [
        "$ cat id",
        "-----BEGIN OPENSSH PRIVATE KEY-----",
        &body,
        &body,
        "QUJD",
        "-----END OPENSSH PRIVATE KEY-----",
        "$ ls",
    ];
    assert_eq!(
        keys(&lines),
        ["$ cat id", lines[1], "[masked:private-key]", "", "", "-----END OPENSSH PRIVATE KEY-----", "$ ls"]
    );
    // Encrypted ones have headers; YAML has a margin.
    let lines = [
        "  tls.key: |",
        "    -----BEGIN RSA PRIVATE KEY-----",
        "    Proc-Type: 4,ENCRYPTED",
        "",
        &format!("    {body}"),
        "    -----END RSA PRIVATE KEY-----",
    ];
    let masked = keys(&lines);
    assert!(!masked.concat().contains(&body) && masked[2].contains("Proc-Type"));
}

#[test]
fn a_private_key_that_was_cut_hides_nothing_else() {
    let body = filler(64);
    assert_eq!(
        keys(&["-----BEGIN PRIVATE KEY-----", &body, "ada@web:~$ ls", &body]),
        ["-----BEGIN PRIVATE KEY-----", "[masked:private-key]", "ada@web:~$ ls", body.as_str()]
    );
}

#[test]
fn an_argv_is_masked_over_its_elements() {
    let argv = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    let masks = Masks::default();
    assert_eq!(
        masks.masked_argv(&argv(&["x", "--password", "hunter2", "y"])),
        ["x", "--password", "[masked:option]", "y"]
    );
    assert_eq!(masks.masked_argv(&argv(&["x", "--password=hunter2"])), ["x", "--password=[masked:option]"]);
    assert_eq!(masks.masked_argv(&argv(&["ls", "-l", "password"])), ["ls", "-l", "password"]);
}

#[test]
fn patterns_of_the_configuration_are_masked_too() {
    let masks = Masks::new(&[r"\bCUST-\d{6}\b".to_owned(), r"pin (?P<secret>\d{4})".to_owned()]).unwrap();
    check(&masks, "customer «CUST-123456» has pin «1234»");
    assert!(Masks::new(&["(".to_owned()]).unwrap_err().to_string().contains("not a regular expression"));
    assert!(Masks::new(&["x*".to_owned()]).unwrap_err().to_string().contains("fits the empty text"));
    assert!(Masks::new(&vec!["x".to_owned(); 65]).unwrap_err().to_string().contains("too many"));
    assert_ne!(Masks::default().fingerprint(), masks.fingerprint());
}

#[test]
fn a_message_is_without_the_secrets_of_the_argv_that_it_quotes() {
    let masked = |message: &str, argv: &[&str]| {
        let argv: Vec<String> = argv.iter().map(|&element| element.to_owned()).collect();
        Masks::default().masked_message(message, &argv)
    };
    let message = "exec: \"mysql -pS3cret\": executable file not found in $PATH";
    let expected = "exec: \"mysql -p[masked:option]\": executable file not found in $PATH";
    assert_eq!(masked(message, &["mysql -pS3cret"]), expected);
    assert!(!masked(message, &[]).contains("S3cret"));
    let message = r#"exec: "db --password=\"x y\"": no such file: x y"#;
    assert!(!masked(message, &["db --password=\"x y\""]).contains("x y"));
    assert_eq!(masked(r#"exec: "a\"bc""#, &["--password", "a\"bc"]), r#"exec: "[masked:option]""#);
    assert_eq!(masked("a b is not there", &["mysql", "-pb"]), "a b is not there", "too short to be known again");
}
