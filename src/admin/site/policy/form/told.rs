//! The form of a rule for programs: the same fields, read out of a text and written into one.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::fields::{self, Fields, condition_fields};

/// One rule, value by value, each as the form has it: one text a line, several lines are a list,
/// what begins with `{`, `[` or `"` is TOML as it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::admin::site) struct RuleForm {
    /// Its only name.
    name: String,
    /// For whose mail it is; the site's unless given.
    #[serde(default = "site")]
    scope: String,
    /// Why there is such a rule.
    #[serde(default)]
    description: String,
    /// Whether it is in force.
    #[serde(default = "enabled")]
    is_enabled: bool,
    /// Conditions by key; parted ones as `score.at_least`.
    #[serde(default)]
    when: BTreeMap<String, String>,
    /// The order after which no other rule is asked.
    last: Option<OrderForm>,
    /// The other orders: word and argument, which may be empty.
    #[serde(default)]
    orders: BTreeMap<String, String>,
}

/// One order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct OrderForm {
    /// `reject`, `quarantine`, …
    word: String,
    /// What belongs to it; may be empty.
    #[serde(default)]
    argument: String,
}

fn site() -> String {
    "site".into()
}

fn enabled() -> bool {
    true
}

impl From<Fields> for RuleForm {
    fn from(fields: Fields) -> RuleForm {
        let (word, argument) = fields.last;
        RuleForm {
            name: fields.name,
            scope: fields.scope,
            description: fields.description,
            is_enabled: fields.is_enabled,
            when: fields.when,
            last: (!word.is_empty()).then_some(OrderForm { word, argument }),
            orders: fields.orders,
        }
    }
}

impl RuleForm {
    /// In the place of the rule of that name; of none when that is empty.
    fn fields(self, original: &str) -> Result<Fields, String> {
        let is_known = |name: &str| {
            condition_fields().any(|(key, part)| match part {
                Some(part) => {
                    name.strip_prefix(key).and_then(|rest| rest.strip_prefix('.')) == Some(part)
                }
                None => name == key,
            })
        };
        if let Some(odd) = self.when.keys().find(|name| !is_known(name)) {
            return Err(format!("when: there is no condition {:.100?}", odd));
        }
        let mut when = self.when;
        when.retain(|_, text| !text.trim().is_empty());
        Ok(Fields {
            original: original.trim().to_owned(),
            name: self.name.trim().to_owned(),
            scope: self.scope.trim().to_owned(),
            description: self.description.trim().to_owned(),
            is_enabled: self.is_enabled,
            when,
            last: self.last.map(|order| (order.word, order.argument)).unwrap_or_default(),
            orders: self.orders,
        })
    }
}

/// The rule of that name in a text.
pub(in crate::admin::site) fn read(text: &str, name: &str) -> Result<Option<RuleForm>, String> {
    Ok(Fields::read(text, name)?.map(RuleForm::from))
}

/// A text with this rule in the place of the one of that name, behind all others when the name is
/// empty; without that rule when there is none to take its place. All else is as it was.
pub(in crate::admin::site) fn drafted(
    text: &str,
    original: &str,
    rule: Option<RuleForm>,
) -> Result<String, String> {
    match rule {
        Some(rule) => rule.fields(original)?.written(text),
        None if fields::has(text, original)? => fields::without(text, original),
        None => Err(format!("there is no rule {original:.100?}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "# kept\n[[rule]]\nname = \"a\"\nwhen = { subject = \"x\" }\n\
                        orders = [{ quarantine = \"legal\" }]\n";

    #[test]
    fn a_rule_is_read_changed_added_and_taken_away() {
        let mut rule = read(TEXT, "a").unwrap().unwrap();
        assert_eq!(rule.when["subject"], "x");
        assert_eq!(rule.last.as_ref().unwrap().argument, "legal");
        rule.description = "why".into();
        let changed = drafted(TEXT, "a", Some(rule.clone())).unwrap();
        assert!(changed.starts_with("# kept") && changed.contains("description = \"why\""));
        rule.name = "b".into();
        let added = drafted(&changed, "", Some(rule)).unwrap();
        assert_eq!(added.matches("[[rule]]").count(), 2, "{added}");
        let gone = drafted(&added, "a", None).unwrap();
        assert!(!gone.contains("name = \"a\"") && gone.contains("name = \"b\""), "{gone}");
        assert!(drafted(&gone, "a", None).is_err());
    }

    #[test]
    fn what_the_form_does_not_know_is_refused() {
        let given = serde_json::json!({ "name": "c", "when": { "moon": "full" } });
        let rule: RuleForm = serde_json::from_value(given).unwrap();
        assert!(drafted(TEXT, "", Some(rule)).unwrap_err().contains("moon"));
        let given = serde_json::json!({ "name": "c", "when": { "score.at_least": "5" } });
        let rule: RuleForm = serde_json::from_value(given).unwrap();
        assert!(drafted(TEXT, "", Some(rule)).unwrap().contains("at_least = 5"));
        assert!(serde_json::from_value::<RuleForm>(serde_json::json!({ "nam": "c" })).is_err());
    }
}
