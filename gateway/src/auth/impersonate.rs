//! `--as` and `--as-group`: refused, or narrowed; never believed.

use access::Impersonation;
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::request::status::Status;

const USER: HeaderName = HeaderName::from_static("impersonate-user");
const GROUP: HeaderName = HeaderName::from_static("impersonate-group");

/// Names the gateway as an extra of the impersonated user, `kubetape.dev/gateway` (a key is percent-encoded in a header's
/// name). RBAC lets nobody else set it, and an admission policy in the cluster asks for it: what did not come through
/// the gateway is refused there (`deploy/admission.yaml`).
pub(crate) const GATEWAY: HeaderName = HeaderName::from_static("impersonate-extra-kubetape.dev%2fgateway");

/// As whom the request leaves: as policy says, or, where the client asked to be the same user with fewer of
/// its groups, with those.
pub(crate) fn narrowed(headers: &HeaderMap, granted: &Impersonation) -> Result<Option<Impersonation>, Status> {
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
    Ok(Some(Impersonation { user: granted.user.clone(), groups }))
}

fn own_text(value: &HeaderValue) -> String {
    String::from_utf8_lossy(value.as_bytes()).into_owned()
}

/// Sets the `Impersonate-*` lines. The client's own are gone by then.
pub(crate) fn set(headers: &mut HeaderMap, who: &Impersonation) -> Result<(), Status> {
    let line = |text: &str| {
        HeaderValue::from_bytes(text.as_bytes())
            .map_err(|_| Status::forbidden("the policy's user or group cannot stand in a header"))
    };
    headers.insert(USER, line(&who.user)?);
    for group in &who.groups {
        headers.append(GROUP, line(group)?);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(lines: &[(HeaderName, &'static str)]) -> Result<Option<Impersonation>, Status> {
        let headers = lines.iter().map(|(name, value)| (name.clone(), HeaderValue::from_static(value))).collect();
        narrowed(&headers, &Impersonation { user: "jane".into(), groups: vec!["dev".into(), "ops".into()] })
    }

    #[test]
    fn the_same_user_with_fewer_groups_is_allowed() {
        assert_eq!(ask(&[]), Ok(None));
        assert_eq!(ask(&[(USER, "jane"), (GROUP, "ops")]).unwrap().unwrap().groups, ["ops"]);
        assert!(ask(&[(USER, "jane")]).unwrap().unwrap().groups.is_empty());
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
