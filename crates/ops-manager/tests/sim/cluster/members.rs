//! What tests ask about the members.

use instance::Cgroup;

use super::*;

impl Cluster {
    /// Leaves that the members serve.
    pub fn served(&self) -> BTreeSet<Option<String>> {
        self.pods.values().map(|pod| pod.loaded.leaf.clone()).collect()
    }

    /// Requests of memory and limits of memory that Pods have, each once.
    pub fn memory(&self) -> BTreeSet<(String, String)> {
        let of = |amounts: &Option<BTreeMap<String, Quantity>>| {
            let amount = amounts.as_ref().and_then(|all| all.get("memory"));
            amount.map(|amount| amount.0.clone()).unwrap_or_default()
        };
        let asked = self.pods.values().map(|pod| &pod.resources["postgres"].asked);
        asked
            .map(|asked| (of(&asked.requests), of(&asked.limits)))
            .collect()
    }

    /// The control group of a member, as kubelet keeps it.
    pub(super) fn cgroup(&self, pod: &Pod) -> Cgroup {
        let postgres = &pod.resources["postgres"];
        let limits = &postgres.running.as_ref().unwrap_or(&postgres.asked).limits;
        let of = |name: &str| limits.as_ref().and_then(|all| all.get(name));
        Cgroup {
            memory_limit: of("memory").and_then(api_types::quantity::amount),
            cpu_limit: of("cpu").and_then(api_types::quantity::thousandths),
            used: Some(self.used),
        }
    }

    /// Phases that the members are in.
    pub fn phases(&self) -> BTreeSet<TlsPhase> {
        self.pods.values().map(|pod| pod.loaded.phase).collect()
    }

    /// Replication slots of this member.
    pub(super) fn slots_of(&self, pod: &str) -> BTreeMap<String, Slot> {
        let of_member = |name: &String| Slot {
            name: name.clone(),
            ..Slot::default()
        };
        let of_users = self.user_slots.get(pod).into_iter().flatten().cloned();
        self.slots
            .iter()
            .map(of_member)
            .chain(of_users)
            .map(|slot| (slot.name.clone(), slot))
            .collect()
    }

    /// Where the WAL of a member ends: the last primary wrote a thousand bytes.
    pub(super) fn received(&self, pod: &str) -> u64 {
        1000 - self.lacks.get(pod).copied().unwrap_or_default()
    }

    /// The primary, if its Patroni says so.
    pub(super) fn leader_that_answers(&self) -> Option<String> {
        let answers = |leader: &String| {
            let pod = self.pods.get(leader);
            self.silent != Some(leader.as_str())
                && pod.is_some_and(|pod| pod.starting == 0 && self.runs(leader, pod))
        };
        Some(self.leader.clone()).filter(answers)
    }

    /// What the provisioner's first pass after the pause would write.
    pub fn provisioner_would_change(&self) -> Vec<&'static str> {
        let mut material = TlsMaterial::default();
        if self.postgres.spec.tls.is_some() {
            for alias in CertificateAlias::ALL {
                let name = api_types::names::certificate("pg", alias);
                material = material.with(alias, self.secrets[&name].pair.clone().expect("a pair"));
            }
        }
        let trust = material.authorities();
        let children = build(
            &self.postgres,
            self.version_of_spec(),
            TlsInputs::steady(&self.postgres.spec, trust.clone(), material),
            Some(&self.pet_set),
            self.user_conf(),
        );
        let mut changed = Vec::new();
        for (what, live, wanted) in [
            (
                "config Secret",
                &self.config.metadata,
                &children.config_secret.metadata,
            ),
            ("AppBinding", &self.app_binding, &children.app_binding.metadata),
            ("PetSet", &self.pet_set.metadata, &children.pet_set.metadata),
        ] {
            if runtime::needs_apply(Some(live), wanted) {
                changed.push(what);
            }
        }
        if parameters::dynamic_of(&children.config_secret) != self.dynamic {
            changed.push("Patroni");
        }
        let has_tls = self.postgres.spec.tls.is_some();
        if has_tls && self.secrets[CLIENT_SECRET].shown_ca != trust {
            changed.push("ca.crt of the client's Secret");
        }
        changed
    }
}
