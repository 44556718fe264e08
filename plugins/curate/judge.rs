//! The linear judge: weights of the numbers, and what each kind of candidate is trusted beforehand.

use std::collections::BTreeMap;

use cleanplate_pipeline::PluginError;
use serde::Deserialize;

use super::place::Numbers;

/// The judge of this program; made by training/curate.
const SHIPPED: &str = include_str!("judge.json");

/// Scores candidates.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Judge {
    features: Vec<Feature>,
    /// By the candidate's name; others have none.
    bias: BTreeMap<String, f32>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Feature {
    /// Name of the number; `|name|` is its distance from 0.
    name: String,
    mean: f32,
    deviation: f32,
    weight: f32,
}

impl Feature {
    fn of(&self, numbers: &Numbers) -> f32 {
        let name = self.name.trim_matches('|');
        let found = numbers.iter().find(|(other, _)| *other == name);
        let value = found.map_or(self.mean, |(_, value)| *value);
        let value = if name.len() < self.name.len() {
            value.abs()
        } else {
            value
        };
        self.weight * (value - self.mean) / self.deviation
    }

    fn words(&self) -> &'static str {
        match self.name.trim_matches('|') {
            "coherence" | "tail" | "blob" | "coherence_half" | "tail_half" | "blob_half" => {
                "its patches are like those around it"
            }
            "sharp" | "fine" | "spread" => "it is as sharp and varied as its surroundings",
            "seam" | "tone" => "it joins the photo more smoothly",
            "continued" | "continued_back" => "edges go on across the rim",
            "leftover" | "leftover_tail" | "leftover_half" | "leftover_tail_half" => {
                "less of the object is left"
            }
            _ => "it agrees more with the other fills",
        }
    }
}

impl Judge {
    /// The judge that this program carries.
    pub(super) fn shipped() -> Result<Judge, PluginError> {
        serde_json::from_str(SHIPPED).map_err(|error| PluginError::File {
            file: "plugins/curate/judge.json".to_string(),
            detail: error.to_string(),
        })
    }

    /// The score of a candidate; higher is better.
    pub(super) fn score(&self, candidate: &str, numbers: &Numbers) -> f32 {
        let bias = self.bias.get(candidate).copied().unwrap_or(0.0);
        bias + self.features.iter().map(|f| f.of(numbers)).sum::<f32>()
    }

    /// What speaks most for one candidate against another, in words.
    pub(super) fn reason(
        &self,
        name: &str,
        ours: &Numbers,
        other: &str,
        theirs: &Numbers,
    ) -> String {
        let mut by_words: BTreeMap<&str, f32> = BTreeMap::new();
        for feature in &self.features {
            *by_words.entry(feature.words()).or_default() += feature.of(ours) - feature.of(theirs);
        }
        let bias = |name: &str| self.bias.get(name).copied().unwrap_or(0.0);
        by_words.insert(
            "it is the better kind of fill as a rule",
            bias(name) - bias(other),
        );
        let most = by_words.iter().max_by(|a, b| a.1.total_cmp(b.1));
        most.map_or(String::new(), |(words, _)| {
            format!("{words} (against {other})")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shipped_judge_reads_every_number_it_knows() {
        let judge = Judge::shipped().unwrap();
        assert!(!judge.features.is_empty());
        for feature in &judge.features {
            assert!(feature.deviation > 0.0, "{}", feature.name);
        }
    }

    #[test]
    fn scores_follow_weights_signs_and_bias() {
        let text = r#"{"features": [{"name": "|sharp|", "mean": 0.5, "deviation": 0.25, "weight": -1.0},
            {"name": "continued", "mean": 0.0, "deviation": 1.0, "weight": 2.0}], "bias": {"a": 0.125}}"#;
        let judge: Judge = serde_json::from_str(text).unwrap();
        let numbers = vec![("sharp", -1.0), ("continued", 0.5)];
        assert_eq!(judge.score("b", &numbers), -2.0 + 1.0);
        assert_eq!(judge.score("a", &numbers), -1.0 + 0.125);
        let other = vec![("sharp", 0.5), ("continued", 0.0)];
        let reason = judge.reason("a", &numbers, "b", &other);
        assert_eq!(reason, "edges go on across the rim (against b)");
    }
}
