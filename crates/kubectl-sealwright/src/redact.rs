//! What must not leave the cluster in a support archive: private keys, passwords, tokens. Pure.

use k8s_openapi::api::core::v1::Secret;
use kube::ResourceExt;
use regex::{Captures, Regex};
use serde_json::{Map, Value, json};

/// What stands in place of a secret.
pub const REDACTED: &str = "[redacted]";

/// Where secrets are recognised by their form; `keep` is what stays before them.
const FORMS: [&str; 7] = [
    // Private keys, also in one line with written-out line ends, also cut off.
    r"(?s)-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(-----END [A-Z ]*PRIVATE KEY-----|$)",
    // `password=x`, `"token": "x"`.
    r#"(?i)(?P<keep>(password|passwd|passphrase|token|\bsecret|api[_-]?key)["']?[ \t]*[=:][ \t]*)("[^"]*"|'[^']*'|[^\s,;&"'}\]]+)"#,
    // `ALTER ROLE … PASSWORD 'x'`.
    r"(?i)(?P<keep>password[ \t]+)(E?'([^']|'')*')",
    // `postgres://user:x@host`.
    r"(?P<keep>://[^/\s:@]*:)[^@\s/]+(?P<after>@)",
    // HTTP.
    r"(?i)(?P<keep>(bearer|basic)[ \t]+)[A-Za-z0-9._~+/=-]{8,}",
    // PostgreSQL's stored verifiers.
    r"SCRAM-SHA-256\$\S+",
    r"\bmd5[0-9a-f]{32}\b",
];

/// Keys of objects whose text is a secret wherever they stand.
const KEYS: [&str; 8] = [
    "password",
    "passwd",
    "passphrase",
    "token",
    "secretkey",
    "privatekey",
    "accesskey",
    "apikey",
];
/// Parts of the names of environment variables whose literal value may be one.
const VARIABLES: [&str; 5] = ["PASS", "SECRET", "TOKEN", "KEY", "CREDENTIAL"];
/// Annotations that repeat an object, and what may be in it.
const COPIES: [&str; 1] = ["kubectl.kubernetes.io/last-applied-configuration"];
/// Shorter literals would also be found where they are none.
const LEAST_LITERAL: usize = 6;

/// Takes secrets out of text and objects.
pub struct Redactor {
    forms: Vec<Regex>,
    literals: Vec<String>,
}

impl Redactor {
    /// Knows secrets by their form, and these by their content.
    ///
    /// # Errors
    /// Never seen: the forms are constants that a test compiles.
    pub fn new(literals: impl IntoIterator<Item = String>) -> Result<Self, regex::Error> {
        let forms: Result<Vec<_>, _> = FORMS.iter().map(|form| Regex::new(form)).collect();
        let mut literals: Vec<String> = literals
            .into_iter()
            .filter(|literal| literal.len() >= LEAST_LITERAL)
            .collect();
        // A secret that contains another one goes first.
        literals.sort_by_key(|literal| std::cmp::Reverse(literal.len()));
        Ok(Self {
            forms: forms?,
            literals,
        })
    }

    /// Text without secrets.
    pub fn text(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for literal in &self.literals {
            if text.contains(literal) {
                text = text.replace(literal, REDACTED);
            }
        }
        for form in &self.forms {
            let replaced = form.replace_all(&text, |found: &Captures<'_>| {
                let part = |name| found.name(name).map_or("", |part| part.as_str());
                format!("{}{REDACTED}{}", part("keep"), part("after"))
            });
            text = replaced.into_owned();
        }
        text
    }

    /// An object without secrets, without copies of itself, and without the managers of its fields.
    pub fn object(&self, mut object: Value) -> Value {
        if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
            metadata.remove("managedFields");
            if let Some(annotations) = metadata.get_mut("annotations").and_then(Value::as_object_mut) {
                annotations.retain(|key, _| !COPIES.contains(&key.as_str()));
            }
        }
        self.value(object)
    }

    fn value(&self, value: Value) -> Value {
        match value {
            Value::String(text) => Value::String(self.text(&text)),
            Value::Array(list) => list.into_iter().map(|value| self.value(value)).collect(),
            Value::Object(map) => self.map(map),
            other => other,
        }
    }

    fn map(&self, map: Map<String, Value>) -> Value {
        let variable = map.get("name").and_then(Value::as_str).is_some_and(|name| {
            let name = name.to_uppercase();
            VARIABLES.iter().any(|part| name.contains(part))
        });
        let hides = |key: &str, value: &Value| {
            let key = key.to_lowercase();
            value.is_string() && (KEYS.contains(&key.as_str()) || (variable && key == "value"))
        };
        map.into_iter()
            .map(|(key, value)| {
                let value = if hides(&key, &value) {
                    Value::String(REDACTED.to_owned())
                } else {
                    self.value(value)
                };
                (key, value)
            })
            .collect()
    }
}

/// A Secret without what is in it: its type, and each key with the length of its value.
pub fn outline(secret: &Secret) -> Value {
    let data = secret.data.iter().flatten();
    let keys: Vec<String> = data
        .map(|(key, value)| format!("{key} ({} bytes)", value.0.len()))
        .collect();
    json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {
            "name": secret.name_any(),
            "namespace": secret.namespace(),
            "creationTimestamp": secret.metadata.creation_timestamp,
            "resourceVersion": secret.metadata.resource_version,
            "ownerReferences": secret.metadata.owner_references,
        },
        "type": secret.type_,
        "keys": keys,
    })
}

/// What of a Secret must be found nowhere else: whole passwords, keys by their lines.
pub fn literals(secret: &Secret) -> Vec<String> {
    const PUBLIC: [&str; 5] = ["tls.crt", "ca.crt", "trust.crt", "username", "server.crt"];
    let data = || secret.data.iter().flatten();
    // A role's name is in every log.
    let user = data()
        .find(|(key, _)| key.as_str() == "username")
        .map(|(_, value)| value);
    data()
        .filter(|(_, value)| Some(*value) != user)
        .filter(|(key, _)| !PUBLIC.contains(&key.as_str()) && !key.ends_with(".crt"))
        .flat_map(|(_, value)| {
            let text = String::from_utf8_lossy(&value.0).into_owned();
            if text.contains("PRIVATE KEY-----") {
                let lines = text.lines().filter(|line| !line.contains("-----"));
                lines.map(str::to_owned).collect()
            } else if text.lines().count() == 1 {
                vec![text.trim_end().to_owned()]
            } else {
                // Configuration: many lines that are no secrets; those that are have a recognisable form.
                Vec::new()
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn redactor() -> Redactor {
        Redactor::new(["correct horse".to_owned(), "short".to_owned()]).expect("the forms are sound")
    }

    #[test]
    fn secrets_go_and_the_rest_stays() {
        let table = [
            ("password authentication failed for user \"app\"", None),
            ("no secret here", None),
            (r#"{"matchesSecret": true}"#, None),
            ("PGPASSWORD=hunter22 psql", Some("PGPASSWORD=[redacted] psql")),
            ("a short word", None),
            ("using correct horse", Some("using [redacted]")),
            (
                "host=db password=hunter22 user=app",
                Some("host=db password=[redacted] user=app"),
            ),
            (
                r#"{"token": "abc", "a": 1}"#,
                Some(r#"{"token": [redacted], "a": 1}"#),
            ),
            (
                "ALTER ROLE app PASSWORD 'it''s'",
                Some("ALTER ROLE app PASSWORD [redacted]"),
            ),
            (
                "postgres://app:pw@db:5432/x",
                Some("postgres://app:[redacted]@db:5432/x"),
            ),
            ("http://db-0.db-pods.ns.svc:8008/patroni", None),
            (
                "Authorization: Bearer abcdefgh.ijk",
                Some("Authorization: Bearer [redacted]"),
            ),
            (
                "verifier SCRAM-SHA-256$4096:abc==$x:y",
                Some("verifier [redacted]"),
            ),
            (
                "x\n-----BEGIN EC PRIVATE KEY-----\nMHc\n-----END EC PRIVATE KEY-----\ny",
                Some("x\n[redacted]\ny"),
            ),
            ("-----BEGIN PRIVATE KEY-----\\nMHc cut off", Some("[redacted]")),
            (
                "-----BEGIN CERTIFICATE-----\nMII\n-----END CERTIFICATE-----",
                None,
            ),
        ];
        for (before, after) in table {
            assert_eq!(redactor().text(before), after.unwrap_or(before), "{before}");
        }
    }

    #[test]
    fn objects_lose_values_and_copies() {
        let object = json!({
            "metadata": {
                "name": "x", "managedFields": [{}],
                "annotations": { "kubectl.kubernetes.io/last-applied-configuration": "{}", "kept": "yes" },
            },
            "spec": {
                "password": "a", "secretRef": { "name": "db-auth" },
                "env": [
                    { "name": "PGPASSWORD", "value": "b" },
                    { "name": "PGUSER", "value": "postgres" },
                    { "name": "TOKEN", "valueFrom": { "secretKeyRef": { "name": "db-auth", "key": "token" } } },
                ],
            },
        });
        let wanted = json!({
            "metadata": { "name": "x", "annotations": { "kept": "yes" } },
            "spec": {
                "password": REDACTED, "secretRef": { "name": "db-auth" },
                "env": [
                    { "name": "PGPASSWORD", "value": REDACTED },
                    { "name": "PGUSER", "value": "postgres" },
                    { "name": "TOKEN", "valueFrom": { "secretKeyRef": { "name": "db-auth", "key": "token" } } },
                ],
            },
        });
        assert_eq!(redactor().object(object), wanted);
    }

    #[test]
    fn a_secret_is_only_outlined() {
        let key = "-----BEGIN PRIVATE KEY-----\nMIGHAgEAMBMGByqGSM49\n-----END PRIVATE KEY-----\n";
        let secret = Secret {
            metadata: kube::api::ObjectMeta {
                name: Some("db-server-cert".to_owned()),
                annotations: Some([("leak".to_owned(), "hunter22".to_owned())].into()),
                ..Default::default()
            },
            data: Some(
                [
                    ("tls.key", key),
                    ("password", "hunter22"),
                    ("tls.crt", "public"),
                    ("a.conf", "a\nb"),
                ]
                .map(|(name, text)| (name.to_owned(), k8s_openapi::ByteString(text.into())))
                .into(),
            ),
            ..Default::default()
        };
        let outline = outline(&secret).to_string();
        assert!(outline.contains("password (8 bytes)"), "{outline}");
        assert!(
            !outline.contains("hunter22") && !outline.contains("MIGH"),
            "{outline}"
        );
        assert_eq!(literals(&secret), ["hunter22", "MIGHAgEAMBMGByqGSM49"]);
    }
}
