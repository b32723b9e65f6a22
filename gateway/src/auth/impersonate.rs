//! `--as` and `--as-group`: they can narrow what policy gives, and are refused otherwise.

use access::Impersonation;
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::request::status::Status;

pub(crate) const USER: HeaderName = HeaderName::from_static("impersonate-user");
pub(crate) const GROUP: HeaderName = HeaderName::from_static("impersonate-group");

/// The groups that a client asked for, if it asked to be the user that policy gives, with fewer of its groups. `None` if it
/// asked for nothing.
pub(crate) fn narrowed(headers: &HeaderMap, granted: &Impersonation) -> Result<Option<Vec<String>>, Status> {
    let refused = |what: &str| {
        Status::forbidden(format!(
            "kubetape decides as whom a request reaches the cluster ({what}): remove --as, --as-group and --as-uid"
        ))
    };
    let mut asked = headers.keys().filter(|name| name.as_str().starts_with("impersonate-")).peekable();
    if asked.peek().is_none() {
        return Ok(None);
    }
    if asked.any(|name| *name != USER && *name != GROUP) {
        return Err(refused("only --as and --as-group can narrow it"));
    }
    let mut users = headers.get_all(USER).iter();
    if users.next().is_none_or(|user| user.as_bytes() != granted.user.as_bytes()) || users.next().is_some() {
        return Err(refused("it is not the user that was asked for"));
    }
    let groups: Vec<String> = headers.get_all(GROUP).iter().map(own_text).collect();
    if groups.iter().any(|group| !granted.groups.contains(group)) {
        return Err(refused("a group that was asked for is not among those that policy gives"));
    }
    Ok(Some(groups))
}

fn own_text(value: &HeaderValue) -> String {
    String::from_utf8_lossy(value.as_bytes()).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(lines: &[(HeaderName, &'static str)]) -> Result<Option<Vec<String>>, Status> {
        let headers = lines.iter().map(|(name, value)| (name.clone(), HeaderValue::from_static(value))).collect();
        narrowed(&headers, &Impersonation { user: "jane".into(), groups: vec!["dev".into(), "ops".into()] })
    }

    #[test]
    fn the_same_user_with_fewer_groups_is_allowed() {
        assert_eq!(ask(&[]), Ok(None));
        assert_eq!(ask(&[(USER, "jane"), (GROUP, "ops")]).unwrap().unwrap(), ["ops"]);
        assert!(ask(&[(USER, "jane")]).unwrap().unwrap().is_empty());
    }

    #[test]
    fn everything_else_is_refused() {
        let extra = HeaderName::from_static("impersonate-extra-scopes");
        for lines in [
            vec![(USER, "system:admin")],
            vec![(GROUP, "dev")],
            vec![(USER, "jane"), (USER, "jane")],
            vec![(USER, "jane"), (GROUP, "system:masters")],
            vec![(USER, "jane"), (extra, "x")],
        ] {
            let message = ask(&lines).unwrap_err().message;
            assert!(message.contains("remove --as"), "{message}");
        }
    }
}
