//! The superuser's credentials of the small world: which password is where, never a password.

use ops_manager::auth::effect::AuthEffect;
use ops_manager::auth::world::{AuthWorld, LoginOutcome, MemberAuth, Offered, Which};
use ops_manager::world::Observed;

/// Where the former password is, and where the new one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Auth {
    /// Whether both are written down.
    pub kept: bool,
    /// Which one the role has on the primary, and what the standbys have replayed of it.
    pub role: Which,
    pub replayed: Which,
    /// What the auth Secret of the new spec has.
    pub published: Which,
    /// What is noted as opening the database.
    pub recorded: Which,
    /// What the request's Secret has; absent when there is none.
    pub offered: Observed<Offered>,
    /// Whether the request brings its own Secret, which stays as it is.
    pub is_own: bool,
    /// Passwords that were made: a second one would lose the first.
    pub made: u32,
    /// Somebody has deleted the auth Secret.
    pub is_deleted: bool,
    /// The request's Secret has the password that opens the database.
    pub is_one_password: bool,
}

impl Auth {
    pub fn new() -> Self {
        Self {
            kept: false,
            role: Which::Former,
            replayed: Which::Former,
            published: Which::Former,
            recorded: Which::Former,
            offered: Observed::Present(Offered {
                username: "postgres".into(),
                fault: None,
                is_in_force: false,
            }),
            is_own: false,
            made: 0,
            is_deleted: false,
            is_one_password: false,
        }
    }

    pub fn perform(&mut self, effect: &AuthEffect) {
        match effect {
            AuthEffect::Keep { secret, .. } => {
                self.made += u32::from(!self.kept);
                self.kept = true;
                if secret.is_some() {
                    self.published = Which::New;
                    self.is_own = true;
                }
            }
            AuthEffect::Set { which, secret, .. } => {
                assert!(self.kept, "a password that is not written down");
                self.role = *which;
                if secret.is_some() {
                    self.published = *which;
                }
            }
            AuthEffect::Publish { which, .. } => self.published = *which,
            AuthEffect::Record { which, .. } => self.recorded = *which,
            AuthEffect::Forget => self.kept = false,
        }
    }

    /// Standbys replay what the primary wrote.
    pub fn tick(&mut self) {
        self.replayed = self.role;
    }

    pub fn world(&self) -> AuthWorld {
        let known = |which| Observed::Present(self.kept.then_some(which));
        AuthWorld {
            kept: if self.kept {
                Observed::Present(())
            } else {
                Observed::Absent
            },
            published: if self.is_deleted {
                Observed::Absent
            } else {
                known(self.published)
            },
            recorded: known(self.recorded),
            offered: self.offered.clone(),
        }
    }

    pub fn member(&self, is_leader: bool) -> Option<MemberAuth> {
        let has = if is_leader { self.role } else { self.replayed };
        let outcome = |which| {
            Some(if which == has || self.is_one_password {
                LoginOutcome::RightPassword
            } else {
                LoginOutcome::WrongPassword
            })
        };
        self.kept.then(|| MemberAuth {
            verifier: Some(has),
            new: outcome(Which::New),
            former: outcome(Which::Former),
            is_one_password: self.is_one_password,
        })
    }
}
