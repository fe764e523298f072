//! The superuser's credentials as they were seen: never a password, only which one it is.

use std::fmt;

use crate::world::Observed;

/// One of the two passwords of an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// The one that opened the database when the operation began.
    Former,
    /// The one that is to.
    New,
}

impl fmt::Display for Which {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Former => "former",
            Self::New => "new",
        })
    }
}

/// What is known of the credentials outside of the database.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuthWorld {
    /// What this operation has written down; absent before.
    pub kept: Observed<()>,
    /// Which password the auth Secret of the new spec has; `None` for another one.
    pub published: Observed<Option<Which>>,
    /// Which password is noted as the one that opens the database; `None` for another one.
    pub recorded: Observed<Option<Which>>,
    /// The Secret that the request names, as it may be used; absent when there is none of this name.
    pub offered: Observed<Offered>,
}

/// The Secret with the new credentials.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Offered {
    /// The name of the role there; empty when the key is missing.
    pub username: String,
    /// Why it can't be used, in words without secrets.
    pub fault: Option<String>,
    /// Its password is the one that opens the database already.
    pub is_in_force: bool,
}

/// How one member has the superuser's credentials.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MemberAuth {
    /// Which verifier it has; `None` for another one.
    pub verifier: Option<Which>,
    /// What a login with the new password came to; none when clients show certificates instead.
    pub new: Option<LoginOutcome>,
    /// What a login with the former password came to.
    pub former: Option<LoginOutcome>,
    /// Both passwords are one: a Secret of another name has the password that opens the database.
    pub is_one_password: bool,
}

/// What a login with a password came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LoginOutcome {
    /// It opened a session, or the role was refused for another reason than its password.
    RightPassword,
    /// The password was refused.
    WrongPassword,
    /// It is not known, and why.
    Unknown(String),
}

impl MemberAuth {
    /// Whether this password, and no other, opens the member.
    ///
    /// # Errors
    /// In a few words, what is different.
    pub fn check(&self, which: Which) -> Result<(), String> {
        if self.verifier != Some(which) {
            return Err(format!("it does not have the {which} password yet"));
        }
        let (right, wrong) = match which {
            Which::New => (&self.new, &self.former),
            Which::Former => (&self.former, &self.new),
        };
        match right {
            None | Some(LoginOutcome::RightPassword) => {}
            Some(LoginOutcome::WrongPassword) => return Err(format!("it refuses the {which} password")),
            Some(LoginOutcome::Unknown(why)) => {
                return Err(format!("a login with the {which} password: {why}"));
            }
        }
        match wrong {
            _ if self.is_one_password => Ok(()),
            None | Some(LoginOutcome::WrongPassword) => Ok(()),
            Some(LoginOutcome::RightPassword) => Err("the other password still opens it".into()),
            Some(LoginOutcome::Unknown(why)) => Err(format!("whether the other password opens it: {why}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(verifier: Which, new: LoginOutcome, former: LoginOutcome) -> MemberAuth {
        MemberAuth {
            verifier: Some(verifier),
            new: Some(new),
            former: Some(former),
            is_one_password: false,
        }
    }

    #[test]
    fn a_member_has_a_password_when_that_one_opens_it_and_the_other_does_not() {
        use LoginOutcome::{RightPassword, Unknown, WrongPassword};
        let good = of(Which::New, RightPassword, WrongPassword);
        assert_eq!(good.check(Which::New), Ok(()));
        assert!(good.check(Which::Former).is_err());
        assert_eq!(
            of(Which::Former, WrongPassword, RightPassword).check(Which::Former),
            Ok(())
        );
        for bad in [
            of(Which::Former, RightPassword, WrongPassword),
            of(Which::New, WrongPassword, WrongPassword),
            of(Which::New, RightPassword, RightPassword),
            of(Which::New, Unknown("no connection left".into()), WrongPassword),
            of(Which::New, RightPassword, Unknown("no connection left".into())),
            MemberAuth::default(),
        ] {
            assert!(bad.check(Which::New).is_err(), "{bad:?}");
        }
        let same = MemberAuth {
            is_one_password: true,
            ..of(Which::New, RightPassword, RightPassword)
        };
        assert_eq!(
            same.check(Which::New),
            Ok(()),
            "another Secret with the same password"
        );
        assert!(same.check(Which::Former).is_err(), "the verifier is another");
        let by_certificate = MemberAuth {
            verifier: Some(Which::New),
            ..MemberAuth::default()
        };
        assert_eq!(
            by_certificate.check(Which::New),
            Ok(()),
            "the verifier is all there is"
        );
    }
}
