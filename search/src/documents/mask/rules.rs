//! The built-in rules: patterns of well-known secrets.

/// A secret's pattern: the whole match, or its group `secret`.
pub(super) struct Rule {
    /// Stands in the mask.
    pub(super) name: &'static str,
    pub(super) pattern: &'static str,
}

const fn rule(name: &'static str, pattern: &'static str) -> Rule {
    Rule { name, pattern }
}

/// Prefixes and lengths are those that the issuers document.
pub(super) const RULES: &[Rule] = &[
    // RFC 7519: three parts in base64url, the first two of them JSON objects.
    rule("jwt", r"\beyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*"),
    rule("aws-key-id", r"\b(?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{16}\b"),
    rule(
        "aws-secret",
        r#"(?i)aws.{0,20}?(?:secret|session).{0,20}?(?:key|token)["' ]{0,3}[=:]\s{0,3}["']?(?P<secret>[A-Za-z0-9/+=]{40,})"#,
    ),
    rule("github-token", r"\b(?:gh[pousr]_[A-Za-z0-9]{36,}|github_pat_[A-Za-z0-9_]{22,})\b"),
    rule("gitlab-token", r"\bgl(?:pat|ptt|dt|rt|cbt|agent|soat|ft|imt)-[A-Za-z0-9_-]{20,}"),
    rule("slack-token", r"\bxox[abeoprs]-[A-Za-z0-9-]{10,}"),
    rule("slack-webhook", r"https://hooks\.slack\.com/services/(?P<secret>[A-Za-z0-9/_-]{20,})"),
    rule("google-key", r"\bAIza[A-Za-z0-9_-]{35}"),
    rule("google-token", r"\bya29\.[A-Za-z0-9_-]{20,}"),
    rule("stripe-key", r"\b[rs]k_(?:live|test)_[A-Za-z0-9]{16,}"),
    rule("npm-token", r"\bnpm_[A-Za-z0-9]{36}\b"),
    rule("pypi-token", r"\bpypi-AgEIcHlwaS[A-Za-z0-9_-]{40,}"),
    rule("openai-key", r"\bsk-(?:proj-|ant-|svcacct-)?[A-Za-z0-9_-]{32,}"),
    rule("digitalocean-token", r"\bdo[opr]_v1_[a-f0-9]{64}\b"),
    rule("vault-token", r"\bhv[sbr]\.[A-Za-z0-9_-]{24,}"),
    rule("sendgrid-key", r"\bSG\.[A-Za-z0-9_-]{16,}\.[A-Za-z0-9_-]{16,}"),
    rule("docker-token", r"\bdckr_pat_[A-Za-z0-9_-]{20,}"),
    rule("azure-key", r"\bAccountKey=(?P<secret>[A-Za-z0-9+/=]{60,})"),
    rule("age-key", r"\bAGE-SECRET-KEY-1[A-Z0-9]{50,}"),
    // `Authorization: Bearer …`, in any header that carries one.
    rule(
        "authorization",
        r#"(?i)\b(?:authorization|x-api-key|x-auth-token|x-vault-token|private-token)["']?\s*[:=]\s*["']?(?:(?:bearer|basic|token|digest|negotiate|aws4-hmac-sha256)\s+)?(?P<secret>[^\s"'\[]{6,})"#,
    ),
    rule("bearer", r"(?i)\bbearer\s+(?P<secret>[A-Za-z0-9._~+/=-]{16,})"),
    // RFC 3986: `scheme://user:password@host`.
    rule("url-password", r#"(?i)\b[a-z][a-z0-9+.-]*://[^\s/:@"'<>]*:(?P<secret>[^\s/@"'<>\[][^\s/@"'<>]*)@"#),
    // `--password=x`, `--token x`, `-Dpassword=x`. What begins with `-`, `/` or `$` is an option, a path, a variable.
    rule(
        "option",
        r#"(?i)(?:^|[\s'"])--?[a-z0-9_.-]*(?:password|passwd|passphrase|secret|token|api-?key|access-?key|secret-?key|private-?key)(?:=|\s+)(?P<secret>"[^"\n]+"|'[^'\n]+'|[^\s"'\-/$\[<][^\s"']*)"#,
    ),
    // `PGPASSWORD=x`, `api_key=x`, `--from-literal=password=x`, `client_secret=x&`.
    rule(
        "assignment",
        r#"(?i)\b[a-z0-9_.-]*(?:password|passwd|passphrase|pwd|secret|token|api[_-]?key|access[_-]?key|secret[_-]?key|private[_-]?key|credential)s?\s?=\s?(?P<secret>"[^"\n]+"|'[^'\n]+'|[^\s"'&;,/$\[<({=][^\s"'&;,]{2,})"#,
    ),
    // `"password": "x"`, `password: x` of JSON and YAML.
    rule(
        "field",
        r#"(?i)["']?\b[a-z0-9_.-]*(?:password|passwd|passphrase|secret[_-]?key|secret[_-]?access[_-]?key|api[_-]?key|access[_-]?token|refresh[_-]?token|auth[_-]?token|id[_-]?token|client[_-]?secret|private[_-]?key)["']?\s?:\s{0,3}(?P<secret>"[^"\n]+"|'[^'\n]+'|[^\s"',;{}\[|>$][^\s"',;}]{5,})"#,
    ),
    rule("field", r#"["'](?:token|secret|pwd)["']\s?:\s{0,3}(?P<secret>"[^"\n]{6,}"|'[^'\n]{6,}')"#),
    // `mysql -pX`, `sshpass -p X`, `redis-cli -a X`, `curl -u user:X`.
    rule("option", r#"\b(?:mysql|mysqldump|mysqladmin|mariadb|mariadb-dump)\b[^\n|;&]*?\s-p(?P<secret>[^\s=][^\s]*)"#),
    rule("option", r#"\bsshpass\s+-p\s*(?P<secret>"[^"\n]+"|'[^'\n]+'|\S+)"#),
    rule("option", r#"\bredis-cli\b[^\n|;&]*?\s-a\s+(?P<secret>"[^"\n]+"|'[^'\n]+'|\S+)"#),
    rule("option", r#"\b(?:curl|wget)\b[^\n|;&]*?\s(?:-u|--user)[= ]?\s*["']?[^\s:"']+:(?P<secret>[^\s"']+)"#),
    // RFC 7468: a private key on one line, as JSON and environment variables have it.
    rule(
        "private-key",
        r"-----BEGIN [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----(?P<secret>(?:\\n|\s|[A-Za-z0-9+/=:,-]){16,}?)-----END ",
    ),
];
