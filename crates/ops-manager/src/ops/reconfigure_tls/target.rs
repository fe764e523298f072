//! From a `ReconfigureTLS` and the current database to the wanted database.

use api_types::ops_request::{TlsPlan, TlsRequest, TlsSettings};
use api_types::tls::{CertificateSpec, ClientAuthMode, SslMode, TlsConfig};

use super::request::is_set;

/// What a request means for a database.
#[derive(Clone, Debug, PartialEq)]
pub enum Target {
    /// The database already is so; the message repeats the request.
    Nothing(String),
    /// Something changes.
    Change(Box<TlsPlan>),
}

/// The state of a database when a request is planned.
#[derive(Clone, Copy, Debug)]
pub struct CurrentSettings<'a> {
    /// The settings in the spec.
    pub spec: &'a TlsSettings,
    /// The settings that the members follow: others than the spec's once it was edited.
    pub effective: &'a TlsSettings,
    /// How clients authenticate when the spec sets no mode.
    pub default_auth: ClientAuthMode,
}

impl CurrentSettings<'_> {
    fn has_tls(&self) -> bool {
        self.effective.tls.is_some() || self.spec.tls.is_some()
    }
}

/// Determines what is to change: what the request contains, and what was edited in the spec and is not followed yet.
///
/// # Errors
/// A message that names what to change in the request.
pub fn plan(request: &TlsRequest, found: CurrentSettings<'_>) -> Result<Target, String> {
    let after = if is_set(request.remove) {
        removed(request, found)
    } else {
        changed(request, found)?
    };
    let rotate = is_set(request.rotate_certificates);
    if rotate && !found.has_tls() && after.tls.is_none() {
        return Err(
            "there is no TLS whose certificates could be rotated; set spec.tls.issuerRef to add TLS".into(),
        );
    }
    // Certificates of added TLS are new anyway.
    let rotate = rotate && found.effective.tls.is_some();
    if after == *found.effective && after == *found.spec && !rotate {
        return Ok(Target::Nothing(
            "Nothing to change: the database has these TLS settings already".into(),
        ));
    }
    Ok(Target::Change(Box::new(TlsPlan {
        before: found.effective.clone(),
        edited: (found.spec != found.effective).then(|| found.spec.clone()),
        after,
        rotate,
    })))
}

fn removed(request: &TlsRequest, found: CurrentSettings<'_>) -> TlsSettings {
    let spec = found.spec;
    if !found.has_tls() && request.client_auth_mode.is_none() {
        return spec.clone();
    }
    // A database without TLS can't require certificates: fall back to the version's default.
    let kept = match spec.client_auth_mode {
        Some(ClientAuthMode::Cert) => Some(found.default_auth),
        other => other,
    };
    TlsSettings {
        tls: None,
        ssl_mode: if found.has_tls() {
            Some(SslMode::Disable)
        } else {
            spec.ssl_mode
        },
        client_auth_mode: request.client_auth_mode.or(kept),
    }
}

fn changed(request: &TlsRequest, found: CurrentSettings<'_>) -> Result<TlsSettings, String> {
    let spec = found.spec;
    let tls = match (&spec.tls, &request.issuer_ref) {
        (None, None) => {
            check_removes_nothing(found)?;
            check_needs_no_tls(request)?;
            None
        }
        (old, new_issuer) => {
            let old = old.clone().unwrap_or_default();
            Some(TlsConfig {
                issuer_ref: new_issuer.clone().or(old.issuer_ref),
                certificates: merged(old.certificates, &request.certificates),
            })
        }
    };
    let adds = found.effective.tls.is_none() && tls.is_some();
    // A mode of a spec without TLS is not valid for one that has TLS.
    let kept = spec.ssl_mode.filter(|_| !adds || spec.tls.is_some());
    Ok(TlsSettings {
        tls,
        ssl_mode: request
            .ssl_mode
            .or(kept)
            .or_else(|| adds.then_some(SslMode::VerifyFull)),
        client_auth_mode: request.client_auth_mode.or(spec.client_auth_mode),
    })
}

/// A request removes TLS only when it says `remove: true`.
fn check_removes_nothing(found: CurrentSettings<'_>) -> Result<(), String> {
    if found.effective.tls.is_none() {
        return Ok(());
    }
    Err(
        "spec.tls was taken out of the Postgres while its members run with TLS; set remove: true in the request to remove TLS, \
         or write spec.tls back"
            .into(),
    )
}

fn check_needs_no_tls(request: &TlsRequest) -> Result<(), String> {
    let field = if !request.certificates.is_empty() {
        "certificates"
    } else if request.ssl_mode.is_some() {
        "sslMode"
    } else if request.client_auth_mode == Some(ClientAuthMode::Cert) {
        "clientAuthMode cert"
    } else {
        return Ok(());
    };
    Err(format!(
        "spec.tls.{field} needs TLS, which the database does not have; set spec.tls.issuerRef to add it"
    ))
}

/// Entries of `new` over those of `old` with the same alias; what an entry leaves out stays.
fn merged(mut old: Vec<CertificateSpec>, new: &[CertificateSpec]) -> Vec<CertificateSpec> {
    for entry in new {
        match old
            .iter_mut()
            .find(|certificate| certificate.alias == entry.alias)
        {
            Some(known) => merge_entry(known, entry),
            None => old.push(entry.clone()),
        }
    }
    old
}

fn merge_entry(old: &mut CertificateSpec, new: &CertificateSpec) {
    fn take<T: Clone>(old: &mut Option<T>, new: &Option<T>) {
        if new.is_some() {
            old.clone_from(new);
        }
    }
    fn take_list(old: &mut Vec<String>, new: &[String]) {
        if !new.is_empty() {
            *old = new.to_vec();
        }
    }
    take(&mut old.issuer_ref, &new.issuer_ref);
    take(&mut old.secret_name, &new.secret_name);
    take(&mut old.subject, &new.subject);
    take(&mut old.duration, &new.duration);
    take(&mut old.renew_before, &new.renew_before);
    take_list(&mut old.dns_names, &new.dns_names);
    take_list(&mut old.ip_addresses, &new.ip_addresses);
    take_list(&mut old.uris, &new.uris);
    take_list(&mut old.email_addresses, &new.email_addresses);
    take(&mut old.private_key, &new.private_key);
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: &str = "{}";
    const WITH_TLS: &str = "{tls: {issuerRef: {name: a, kind: Issuer}, certificates: [{alias: server, duration: 2160h, dnsNames: [x.example]}]}, sslMode: require, clientAuthMode: cert}";

    fn target(request: &str, before: &str) -> Result<Target, String> {
        edited(request, before, before)
    }

    /// What a request means when the spec was edited and the members do not follow.
    fn edited(request: &str, spec: &str, followed: &str) -> Result<Target, String> {
        let request = serde_yaml::from_str(request).expect("a request");
        let [spec, followed] = [spec, followed].map(|yaml| serde_yaml::from_str(yaml).expect("settings"));
        plan(
            &request,
            CurrentSettings {
                spec: &spec,
                effective: &followed,
                default_auth: ClientAuthMode::Md5,
            },
        )
    }

    fn after(request: &str, before: &str) -> TlsSettings {
        match target(request, before) {
            Ok(Target::Change(plan)) => plan.after,
            other => panic!("no change: {other:?}"),
        }
    }

    #[test]
    fn added_tls_is_verified_in_full_unless_told_otherwise() {
        let settings = after(
            "{issuerRef: {name: a, kind: Issuer}}",
            "{sslMode: disable, clientAuthMode: scram}",
        );
        assert_eq!(settings.ssl_mode, Some(SslMode::VerifyFull));
        assert_eq!(settings.client_auth_mode, Some(ClientAuthMode::Scram));
        let settings = after(
            "{issuerRef: {name: a, kind: Issuer}, sslMode: require, clientAuthMode: cert}",
            PLAIN,
        );
        assert_eq!(settings.ssl_mode, Some(SslMode::Require));
        assert_eq!(settings.client_auth_mode, Some(ClientAuthMode::Cert));
    }

    #[test]
    fn another_issuer_keeps_everything_else() {
        let settings = after("{issuerRef: {name: b, kind: ClusterIssuer}}", WITH_TLS);
        let tls = settings.tls.expect("TLS");
        assert_eq!(tls.issuer_ref.expect("an issuer").name, "b");
        assert_eq!(tls.certificates[0].duration.as_deref(), Some("2160h"));
        assert_eq!(settings.ssl_mode, Some(SslMode::Require));
    }

    #[test]
    fn certificates_are_merged_by_alias_and_field() {
        let settings = after(
            "{certificates: [{alias: server, renewBefore: 24h}, {alias: client, emailAddresses: [a@b.c]}]}",
            WITH_TLS,
        );
        let certificates = settings.tls.expect("TLS").certificates;
        assert_eq!(certificates.len(), 2);
        assert_eq!(certificates[0].renew_before.as_deref(), Some("24h"));
        assert_eq!(certificates[0].duration.as_deref(), Some("2160h"));
        assert_eq!(certificates[0].dns_names, ["x.example"]);
        assert_eq!(certificates[1].email_addresses, ["a@b.c"]);
    }

    #[test]
    fn removal_leaves_a_mode_that_works_without_tls() {
        let settings = after("{remove: true}", WITH_TLS);
        assert_eq!(settings.tls, None);
        assert_eq!(settings.ssl_mode, Some(SslMode::Disable));
        assert_eq!(settings.client_auth_mode, Some(ClientAuthMode::Md5));
        assert_eq!(
            after("{remove: true, clientAuthMode: scram}", WITH_TLS).client_auth_mode,
            Some(ClientAuthMode::Scram)
        );
    }

    #[test]
    fn what_is_so_already_is_nothing() {
        for request in [
            "{issuerRef: {name: a, kind: Issuer}}",
            "{sslMode: require}",
            "{certificates: [{alias: server, duration: 2160h}]}",
        ] {
            assert!(
                matches!(target(request, WITH_TLS), Ok(Target::Nothing(_))),
                "{request}"
            );
        }
        assert!(matches!(target("{remove: true}", PLAIN), Ok(Target::Nothing(_))));
    }

    #[test]
    fn without_tls_there_is_nothing_to_rotate_or_to_verify() {
        assert!(
            target("{rotateCertificates: true}", PLAIN)
                .unwrap_err()
                .contains("no TLS")
        );
        assert!(
            target("{sslMode: require}", PLAIN)
                .unwrap_err()
                .contains("issuerRef")
        );
        assert!(
            target("{clientAuthMode: cert}", PLAIN)
                .unwrap_err()
                .contains("issuerRef")
        );
        assert!(
            target("{certificates: [{alias: server}]}", PLAIN)
                .unwrap_err()
                .contains("issuerRef")
        );
        assert_eq!(
            after("{clientAuthMode: scram}", PLAIN).client_auth_mode,
            Some(ClientAuthMode::Scram)
        );
    }

    #[test]
    fn rotation_changes_no_setting() {
        assert_eq!(
            after("{rotateCertificates: true}", WITH_TLS),
            serde_yaml::from_str(WITH_TLS).expect("settings")
        );
    }

    const ANOTHER_ISSUER: &str = "{tls: {issuerRef: {name: b, kind: Issuer}, certificates: [{alias: server, duration: 2160h, dnsNames: [x.example]}]}, sslMode: require, clientAuthMode: cert}";
    const ADDED: &str = "{tls: {issuerRef: {name: a, kind: Issuer}}}";
    const REMOVED: &str = "{clientAuthMode: cert}";

    /// The provisioner holds an edit of TLS back and requires a request: that request is carried out.
    #[test]
    fn what_was_edited_in_the_spec_is_carried_out_by_a_request_for_the_same() {
        let cases = [
            (
                "{issuerRef: {name: b, kind: Issuer}}",
                ANOTHER_ISSUER,
                WITH_TLS,
                ANOTHER_ISSUER,
            ),
            (
                "{rotateCertificates: true}",
                ANOTHER_ISSUER,
                WITH_TLS,
                ANOTHER_ISSUER,
            ),
            (
                "{issuerRef: {name: a, kind: Issuer}}",
                ADDED,
                PLAIN,
                "{tls: {issuerRef: {name: a, kind: Issuer}}, sslMode: verify-full}",
            ),
            (
                "{remove: true}",
                REMOVED,
                WITH_TLS,
                "{sslMode: disable, clientAuthMode: md5}",
            ),
            ("{remove: true}", ADDED, PLAIN, "{sslMode: disable}"),
            (
                "{issuerRef: {name: a, kind: Issuer}}",
                ANOTHER_ISSUER,
                WITH_TLS,
                WITH_TLS,
            ),
        ];
        for (request, spec, followed, after) in cases {
            let settings = |yaml| serde_yaml::from_str::<TlsSettings>(yaml).expect("settings");
            let Ok(Target::Change(plan)) = edited(request, spec, followed) else {
                panic!("no change: {request} of {spec}");
            };
            assert_eq!(plan.before, settings(followed), "{request} of {spec}");
            assert_eq!(plan.after, settings(after), "{request} of {spec}");
            assert_eq!(*plan.current_settings(), settings(spec), "{request} of {spec}");
        }
    }

    #[test]
    fn nobody_loses_tls_by_a_request_that_does_not_say_so() {
        for request in [
            "{rotateCertificates: true}",
            "{clientAuthMode: scram}",
            "{sslMode: require}",
        ] {
            let why = edited(request, REMOVED, WITH_TLS).unwrap_err();
            assert!(why.contains("remove: true"), "{request}: {why}");
        }
    }
}
