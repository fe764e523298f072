//! The internal CA of a database, which members and operators show each other on Patroni's REST API: what members are given, and
//! what is to be issued.
//!
//! No member waits for a renewal: it comes when half of a certificate's life is left, and what was issued before stays
//! valid.

use std::time::Duration;

use api_types::names as object_names;
use blueprint::{MemberTls, MembersTls};
use instance::{CertificateFacts, chain_of_pem, facts_of_pem, judge_client, judge_server, key_matches};
use jiff::{SignedDuration, Timestamp};

use crate::child::Child;
use crate::decide::names::{self, Whose};
use crate::members_tls::{CaOrder, LEAF_YEARS, Order};
use crate::plan::{Action, Plan};
use crate::world::{SecretFacts, World};

/// What is applied now is read in the next pass.
const ISSUED_REQUEUE_DELAY: Duration = Duration::from_millis(20);
/// Fallback while an older Secret of that name goes.
const FORMER_SECRET_POLL_INTERVAL: Duration = Duration::from_secs(1);
/// Certificates are renewed when less of their life is left.
const RENEW_BEFORE: SignedDuration = SignedDuration::from_hours(365 * 24);
/// The same for the operators' certificate alone. It is as old as the members', but for one of a former CA, with which the
/// operators go on as long as they can.
const RENEW_OPERATORS_BEFORE: SignedDuration = SignedDuration::from_hours(30 * 24);
/// The CA's own certificate is renewed together with what it issued, when it would end soon after.
const RENEW_CA_BEFORE: SignedDuration = SignedDuration::from_hours(2 * LEAF_YEARS as i64 * 366 * 24);

/// What members are given, and what is to be done for it.
#[derive(Debug, Default)]
pub struct Chosen {
    /// What members are given; none before anything was issued.
    pub deployed: Option<MemberTls>,
    /// What is to be issued.
    order: Option<Order>,
    /// What is waited for before that.
    waits_for: Option<String>,
}

impl Chosen {
    /// Has issued what is due.
    pub fn issue(&self, plan: &mut Plan) {
        if let Some(order) = &self.order {
            plan.act(Action::IssueMembersTls(Box::new(order.clone())));
            plan.wait("the certificates of members and operators", ISSUED_REQUEUE_DELAY);
        }
        if let Some(what) = &self.waits_for {
            plan.wait(what, FORMER_SECRET_POLL_INTERVAL);
        }
    }

    /// Has issued what an operation that holds the pause can't go on without: it calls members, and gives them their certificate.
    /// A renewal waits for the end of the pause.
    pub fn issue_what_is_lost(&self, plan: &mut Plan) {
        if self.order.as_ref().is_some_and(|order| order.ca == CaOrder::New) {
            self.issue(plan);
        }
    }
}

/// Chooses by the content of the Secret. A Secret of that name that belongs to another owner is not touched; `names`
/// reports it.
pub fn choose(world: &World, secrets: &SecretFacts) -> Chosen {
    let deployed = world.config_secret().and_then(MemberTls::of_config);
    let whose = secrets.members_tls.as_ref().map_or(Whose::Ours, |secret| {
        names::of_child(world, &Child::Secret(secret.clone()))
    });
    let waits_for = match whose {
        Whose::Ours => return of_ours(world, secrets, deployed),
        Whose::Going(what) => Some(what),
        Whose::Others(_) => None,
    };
    Chosen {
        deployed,
        order: None,
        waits_for,
    }
}

fn of_ours(world: &World, secrets: &SecretFacts, deployed: Option<MemberTls>) -> Chosen {
    let live = secrets.members_tls.as_ref().and_then(MembersTls::of_secret);
    let names = host_names(world);
    let (deployed, order) = match live.as_ref().and_then(|live| Some((live, sound(live)?))) {
        Some((live, facts)) => {
            let order = due(&facts, world.now).then(|| renewal(live, &facts, names, world.now));
            (Some(live.of_member()), order)
        }
        None => {
            let former = deployed.clone().filter(|former| is_usable(former, world.now));
            let ca = CaOrder::New;
            let roles = live.map(|live| live.roles);
            let order = Order {
                ca,
                names,
                former,
                roles,
            };
            (deployed, Some(order))
        }
    };
    Chosen {
        deployed,
        order,
        waits_for: None,
    }
}

/// The members' host names, and the Pod itself.
fn host_names(world: &World) -> Vec<String> {
    let domain = object_names::members_domain(world.name(), world.namespace());
    vec![format!("*.{domain}"), "localhost".to_owned()]
}

/// The facts in the certificates of a sound Secret.
struct Facts {
    ca: CertificateFacts,
    member: CertificateFacts,
    operator: CertificateFacts,
}

/// `None` when something in it can't be read, or does not belong together: then it is as good as none.
fn sound(live: &MembersTls) -> Option<Facts> {
    let facts = |pem: &str| facts_of_pem(pem.as_bytes()).ok();
    let belongs = |certificate: &str, key: &str| key_matches(certificate.as_bytes(), key.as_bytes()).is_ok();
    let all = Facts {
        ca: facts(&live.ca)?,
        member: facts(&live.member)?,
        operator: facts(&live.operator)?,
    };
    let keys_belong = belongs(&live.ca, &live.ca_key)
        && belongs(&live.member, &live.member)
        && belongs(&live.operator, &live.operator);
    let chain = |pem: &str| chain_of_pem(pem.as_bytes()).ok();
    // While they were valid: that one has ended is no reason for another CA.
    let member = judge_server(
        &chain(&live.member)?,
        live.ca.as_bytes(),
        None,
        all.member.not_after,
    );
    let operator = judge_client(
        &chain(&live.operator)?,
        live.ca.as_bytes(),
        all.operator.not_after,
    );
    let is_trusted = matches!((member, operator), (Ok(Ok(())), Ok(Ok(()))));
    (keys_belong && is_trusted).then_some(all)
}

/// Whether operators can show what members had.
fn is_usable(former: &MemberTls, now: Timestamp) -> bool {
    let facts = facts_of_pem(former.identity.as_bytes());
    facts.is_ok_and(|facts| left(&facts, now) > RENEW_OPERATORS_BEFORE)
        && facts_of_pem(former.ca.as_bytes()).is_ok()
        && key_matches(former.identity.as_bytes(), former.identity.as_bytes()).is_ok()
}

fn left(facts: &CertificateFacts, now: Timestamp) -> SignedDuration {
    facts.not_after.duration_since(now)
}

fn due(facts: &Facts, now: Timestamp) -> bool {
    left(&facts.member, now) < RENEW_BEFORE || left(&facts.operator, now) < RENEW_OPERATORS_BEFORE
}

fn renewal(live: &MembersTls, facts: &Facts, names: Vec<String>, now: Timestamp) -> Order {
    let name = facts.ca.common_name.clone().unwrap_or_default();
    let key = live.ca_key.clone();
    let ca = if left(&facts.ca, now) < RENEW_CA_BEFORE {
        CaOrder::Renew { name, key }
    } else {
        let certificate = first_certificate(&live.ca);
        CaOrder::Keep {
            certificate,
            name,
            key,
        }
    };
    Order {
        ca,
        names,
        former: None,
        roles: Some(live.roles.clone()),
    }
}

/// The CA that signs, without a former one.
fn first_certificate(bundle: &str) -> String {
    const END: &str = "-----END CERTIFICATE-----";
    match bundle.split_once(END) {
        Some((first, _)) => format!("{first}{END}\n"),
        None => bundle.to_owned(),
    }
}
