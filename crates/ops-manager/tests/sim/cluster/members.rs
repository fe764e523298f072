//! What tests ask about the members.

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

    /// Phases that the members are in.
    pub fn phases(&self) -> BTreeSet<TlsPhase> {
        self.pods.values().map(|pod| pod.loaded.phase).collect()
    }
}
