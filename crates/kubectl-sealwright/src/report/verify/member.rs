//! Findings about what one member serves.

use std::collections::BTreeSet;

use instance::{Answer, CertificateFacts, Distrust, Served};
use jiff::Timestamp;

use super::{Check, Evidence, Finding, Grade};
use crate::cluster::Seen;
use crate::report::names;
use crate::style;

/// Collects findings about one member.
struct Sheet<'a> {
    evidence: &'a Evidence,
    member: &'a str,
    findings: Vec<Finding>,
}

impl Sheet<'_> {
    fn add(&mut self, grade: Grade, check: Check, message: String, advice: String) {
        self.findings.push(Finding {
            grade,
            check,
            member: Some(self.member.to_owned()),
            message,
            advice,
        });
    }

    fn command(&self, rest: &str) -> String {
        let Evidence {
            namespace, database, ..
        } = self.evidence;
        let (verb, flags) = rest.split_once(' ').unwrap_or((rest, ""));
        format!("kubectl sealwright tls {verb} {database} -n {namespace} {flags}")
            .trim_end()
            .to_owned()
    }
}

/// The findings about what one member serves.
pub(super) fn findings(
    evidence: &Evidence,
    name: &str,
    hosts: &[String],
    answer: &Result<Answer, String>,
    now: Timestamp,
) -> Vec<Finding> {
    let mut sheet = Sheet {
        evidence,
        member: name,
        findings: Vec::new(),
    };
    match answer {
        Err(why) => sheet.add(
            Grade::Unknown,
            Check::Reachable,
            format!("it could not be asked: {why}"),
            format!(
                "look at the Pod: kubectl describe pod {name} -n {ns}; kubectl logs {name} -n {ns} -c postgres",
                ns = evidence.namespace
            ),
        ),
        Ok(Answer::Plaintext) if evidence.wants_tls => plaintext(&mut sheet),
        Ok(Answer::Plaintext) => {}
        Ok(Answer::Tls(_)) if !evidence.wants_tls => not_wanted(&mut sheet),
        Ok(Answer::Tls(served)) => {
            dates(&mut sheet, &served.leaf, now);
            chain_and_names(&mut sheet, served, hosts, now);
            asked_names(&mut sheet, &served.leaf);
            against_secret(&mut sheet, &served.leaf);
        }
    }
    sheet.findings
}

fn plaintext(sheet: &mut Sheet<'_>) {
    let advice = match &sheet.evidence.operation {
        Some(operation) => format!("the operation {operation} runs; look again when it has ended"),
        None => "look at the conditions of the database (kubectl sealwright status), and at the member's log"
            .to_owned(),
    };
    let message = "it serves no TLS, and the spec asks for TLS".to_owned();
    sheet.add(Grade::Problem, Check::Tls, message, advice);
}

fn not_wanted(sheet: &mut Sheet<'_>) {
    let advice = match &sheet.evidence.operation {
        Some(operation) => format!("the operation {operation} runs; look again when it has ended"),
        None => format!(
            "write spec.tls as it is served by adding TLS ({}), or restart the member",
            sheet.command("add --issuer <issuer>")
        ),
    };
    let message = "it serves TLS, and the spec asks for none".to_owned();
    sheet.add(Grade::Problem, Check::Tls, message, advice);
}

fn dates(sheet: &mut Sheet<'_>, leaf: &CertificateFacts, now: Timestamp) {
    let lifetime = leaf.not_after.duration_since(leaf.not_before);
    let left = leaf.not_after.duration_since(now);
    if now < leaf.not_before {
        let message = format!("its certificate is not valid before {}", leaf.not_before);
        let advice = "compare the clocks of the issuer, the nodes and this machine".to_owned();
        sheet.add(Grade::Problem, Check::Date, message, advice);
    } else if left.is_negative() {
        let message = format!(
            "its certificate expired at {} ({})",
            leaf.not_after,
            style::relative(leaf.not_after, now)
        );
        let advice = format!("have it issued anew: {}", sheet.command("rotate --restart auto"));
        sheet.add(Grade::Problem, Check::Date, message, advice);
    } else if left.as_secs() < lifetime.as_secs() / 10 {
        // cert-manager renews at two thirds of the lifetime by default.
        let message = format!(
            "its certificate ends at {} ({}) and should have been renewed by now",
            leaf.not_after,
            style::relative(leaf.not_after, now)
        );
        let advice = format!(
            "look at the Certificate (kubectl describe certificate {}-server-cert -n {}), or have it issued anew: {}",
            sheet.evidence.database,
            sheet.evidence.namespace,
            sheet.command("rotate --restart auto")
        );
        sheet.add(Grade::Note, Check::Date, message, advice);
    }
}

fn chain_and_names(sheet: &mut Sheet<'_>, served: &Served, hosts: &[String], now: Timestamp) {
    let evidence = sheet.evidence;
    let authorities = match &evidence.authorities {
        Seen::Present(authorities) => authorities,
        Seen::Absent | Seen::Unknown(_) => {
            let why = evidence.authorities.unknown().unwrap_or("there are none");
            let message = format!("its chain and names could not be judged without CAs: {why}");
            let advice = "give the CAs that clients trust: --ca-file <PEM file>".to_owned();
            return sheet.add(Grade::Unknown, Check::Chain, message, advice);
        }
    };
    let judge = |name: Option<&str>| instance::judge_server(&served.chain, &authorities.pem, name, now);
    match judge(None) {
        Err(error) => {
            let message = format!("the CAs of {} can't be read: {error}", authorities.from);
            let advice = "give others: --ca-file <PEM file>".to_owned();
            return sheet.add(Grade::Unknown, Check::Chain, message, advice);
        }
        // Reported with the dates.
        Ok(Err(Distrust::Expired(_))) if served.leaf.not_after < now => return,
        Ok(Err(Distrust::NotYetValid(_))) if now < served.leaf.not_before => return,
        Ok(Err(distrust)) => return distrusted(sheet, &distrust, &authorities.from),
        Ok(Ok(())) => {}
    }
    let wanted: BTreeSet<&String> = evidence.hosts.iter().chain(hosts).collect();
    for host in wanted {
        if let Ok(Err(distrust)) = judge(Some(host)) {
            wrong_name(sheet, host, &distrust, &served.leaf);
        }
    }
}

fn distrusted(sheet: &mut Sheet<'_>, distrust: &Distrust, from: &str) {
    let advice = match distrust {
        Distrust::UnknownIssuer(_) => format!(
            "give clients the CA that signed it, or have it issued by the issuer of the spec: {}",
            sheet.command("rotate --restart auto")
        ),
        Distrust::Expired(_) | Distrust::NotYetValid(_) => {
            "the leaf is valid now, so it is a CA that is not: renew the CA of the issuer, then rotate"
                .to_owned()
        }
        Distrust::Bad(_) | Distrust::WrongPurpose | Distrust::WrongName { .. } => {
            format!("have it issued again: {}", sheet.command("rotate --restart auto"))
        }
        _ => format!(
            "{}; then: {}",
            distrust.remedy(),
            sheet.command("rotate --restart auto")
        ),
    };
    let message = match distrust {
        // The date that it names is the leaf's.
        Distrust::Expired(_) | Distrust::NotYetValid(_) => {
            format!(
                "its chain is not trusted by the CAs of {from}: an intermediate CA has expired, or is not valid yet"
            )
        }
        other => format!("its chain is not trusted by the CAs of {from}: {other}"),
    };
    sheet.add(Grade::Problem, Check::Chain, message, advice);
}

fn wrong_name(sheet: &mut Sheet<'_>, host: &str, distrust: &Distrust, leaf: &CertificateFacts) {
    let flag = match host.parse::<std::net::IpAddr>() {
        Ok(_) => "--ip-address",
        Err(_) => "--dns-name",
    };
    let (message, advice) = match distrust {
        Distrust::WrongName { .. } => (
            format!(
                "its certificate is not for {host}, but for {}",
                names(leaf).join(", ")
            ),
            format!(
                "connect by one of those names, or add it: {}",
                sheet.command(&format!("update {flag} {host} --restart auto"))
            ),
        ),
        other => (
            format!("its certificate does not do for {host}: {other}"),
            "check the name".to_owned(),
        ),
    };
    sheet.add(Grade::Problem, Check::Name, message, advice);
}

/// Names that the Certificate specifies and that the served one lacks: it is an older one, or the issuer left them out.
fn asked_names(sheet: &mut Sheet<'_>, leaf: &CertificateFacts) {
    let Some(asked) = sheet.evidence.asked_names.present() else {
        return;
    };
    let has: BTreeSet<String> = names(leaf).into_iter().collect();
    let missing: Vec<&str> = asked
        .iter()
        .filter(|name| !has.contains(*name))
        .map(String::as_str)
        .collect();
    if missing.is_empty() {
        return;
    }
    let message = format!(
        "its certificate lacks names that are asked for: {}",
        missing.join(", ")
    );
    let advice = match &sheet.evidence.operation {
        Some(operation) => format!("the operation {operation} runs; look again when it has ended"),
        None => format!(
            "does the issuer allow them? then have it issued anew: {}",
            sheet.command("rotate --restart auto")
        ),
    };
    sheet.add(Grade::Problem, Check::Name, message, advice);
}

fn against_secret(sheet: &mut Sheet<'_>, leaf: &CertificateFacts) {
    let evidence = sheet.evidence;
    let Some(secret) = evidence.secret.present() else {
        return;
    };
    if secret.fingerprint == leaf.fingerprint {
        return;
    }
    let message = format!(
        "it serves the certificate {} and the Secret {} holds {}",
        leaf.serial, evidence.secret_name, secret.serial
    );
    let advice = match &evidence.operation {
        Some(operation) => format!("the operation {operation} runs; look again when it has ended"),
        None => format!(
            "a renewal is given to members within a minute unless it is not good: kubectl describe postgres {} -n {}",
            evidence.database, evidence.namespace
        ),
    };
    sheet.add(Grade::Problem, Check::Secret, message, advice);
}
