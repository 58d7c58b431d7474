//! Node classes that a workshop does not allow.

/// What custom nodes are known for that reads or writes any path, fetches from any address or
/// runs code that the graph brings. ComfyUI's own nodes do none of this.
pub const DENIED_BY_DEFAULT: &str = "VHS_*Path, VHS_LoadAudio, Load Text File, Save Text File, \
    Text Load Line From File, Load Image Batch, Image Save, Create Grid Image, Load*FromFolderKJ, *Python*, \
    *EvalCode*, *ExecuteCode*, *RunCommand*, *Shell*, *FromUrl*, *From Url*";

/// Class names, `*` standing for anything. Capitals make no difference.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DeniedNodes {
    patterns: Vec<String>,
}

impl DeniedNodes {
    /// Patterns apart by commas; `none` alone denies nothing.
    pub fn parse(text: &str) -> Self {
        let patterns = text.split(',').map(|pattern| pattern.trim().to_lowercase());
        let patterns: Vec<_> = patterns.filter(|pattern| !pattern.is_empty()).collect();
        if patterns == ["none"] { Self::default() } else { Self { patterns } }
    }

    pub fn denies(&self, class: &str) -> bool {
        let class = class.to_lowercase();
        self.patterns.iter().any(|pattern| matches(pattern, &class))
    }
}

fn matches(pattern: &str, name: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = name.strip_prefix(first) else { return false };
    let Some(last) = parts.next_back() else { return rest.is_empty() };
    for part in parts {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_anything() {
        for (pattern, name, expected) in [
            ("SaveImage", "SaveImage", true),
            ("saveimage", "SaveImage", true),
            ("SaveImage", "SaveImages", false),
            ("VHS_*Path", "VHS_LoadVideoPath", true),
            ("VHS_*Path", "VHS_LoadVideo", false),
            ("*Python*", "Run Python Script", true),
            ("*", "whatever", true),
            ("a*b*c", "aXbYc", true),
            ("a*b*c", "acb", false),
            ("ab*ba", "aba", false),
        ] {
            assert_eq!(DeniedNodes::parse(pattern).denies(name), expected, "{pattern} {name}");
        }
    }

    #[test]
    fn a_list_is_read_and_none_denies_nothing() {
        let denied = DeniedNodes::parse(" Load Text File ,, VHS_*Path");
        assert!(denied.denies("Load Text File") && denied.denies("VHS_LoadImagesPath"));
        assert!(!denied.denies("LoadImage"));
        assert!(!DeniedNodes::parse("none").denies("none"));
        assert!(!DeniedNodes::parse("").denies(""));
    }

    #[test]
    fn no_node_that_the_shipped_workflows_use_is_denied_by_default() {
        let denied = DeniedNodes::parse(DENIED_BY_DEFAULT);
        let nodes: serde_json::Map<String, serde_json::Value> =
            serde_json::from_str(include_str!("../tests/captures/workflow_nodes.json")).unwrap();
        let wrong: Vec<_> = nodes.keys().filter(|class| denied.denies(class)).collect();
        assert!(wrong.is_empty(), "{wrong:?}");
        assert!(denied.denies("VHS_LoadVideoPath") && denied.denies("Load Image From Url (mtb)"));
    }
}
