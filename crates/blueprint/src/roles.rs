//! Passwords of the roles of ours, and as what PostgreSQL keeps them. They are made once for each database, and are in Secrets only.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A role's password and the SCRAM verifier that PostgreSQL keeps of it. `Debug` shows neither.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoleLogin {
    /// The password.
    pub password: String,
    /// The verifier, with a salt of its own.
    pub verifier: String,
}

impl fmt::Debug for RoleLogin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RoleLogin")
    }
}

/// All of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Roles {
    /// [`api_types::roles::OPERATOR`].
    pub operator: RoleLogin,
    /// [`api_types::roles::REPLICATION`].
    pub replication: RoleLogin,
    /// [`api_types::roles::REWIND`].
    pub rewind: RoleLogin,
}

impl Roles {
    /// What members have of them.
    pub fn of_member(&self) -> MemberRoles {
        MemberRoles {
            operator_verifier: self.operator.verifier.clone(),
            replication: self.replication.clone(),
            rewind: self.rewind.clone(),
        }
    }
}

/// What members have: with which passwords they connect to each other, and what every role is made with.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemberRoles {
    /// Of the operators' password, which no member needs.
    pub operator_verifier: String,
    /// For standbys.
    pub replication: RoleLogin,
    /// For a former primary.
    pub rewind: RoleLogin,
}

impl fmt::Debug for MemberRoles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MemberRoles")
    }
}

impl MemberRoles {
    /// What the database shows when every role is in its wanted state (`Session::roles` of the crate `instance`).
    pub fn digest(&self) -> String {
        crate::pg::roles::digest(self)
    }

    /// As text for a Secret.
    pub(crate) fn to_text(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// From such a text.
    pub(crate) fn from_text(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }
}

#[cfg(test)]
impl Roles {
    pub(crate) fn sample() -> Self {
        let login = |name: &str| RoleLogin {
            password: format!("{name}s secret"),
            verifier: format!("SCRAM-SHA-256$4096:{name}"),
        };
        Self {
            operator: login("operator"),
            replication: login("replication"),
            rewind: login("rewind"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_sees_a_password_and_members_have_no_password_of_the_operators() {
        let roles = Roles::sample().of_member();
        assert!(!format!("{roles:?}").contains("secret"));
        assert!(!roles.to_text().contains("operators secret"));
        assert_eq!(MemberRoles::from_text(&roles.to_text()), Some(roles));
    }
}
