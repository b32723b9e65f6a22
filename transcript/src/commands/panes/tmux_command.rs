//! Whether the line that started a full-screen program started tmux.

/// Words that may stand before a program's name.
const BEFORE: &[&str] =
    &["exec", "sudo", "doas", "command", "env", "nohup", "time", "builtin", "-E", "-i", "-u", "root"];
/// Programs that run another one, perhaps elsewhere.
const ELSEWHERE: &[&str] =
    &["ssh", "mosh", "kubectl", "docker", "podman", "nerdctl", "lxc", "su", "script", "bash", "sh", "zsh"];

/// Whether a command line starts tmux: `tmux`, `TERM=x tmux new -s y`, `cd /srv && exec tmux a`, `ssh web -t tmux a`;
/// not `man tmux`.
pub(super) fn is_tmux(line: &str) -> bool {
    let mut commands = line.split([';', '&', '|', '\n']).map(str::trim);
    let Some(last) = commands.rfind(|command| !command.is_empty()) else { return false };
    let mut words = last.split_whitespace().map(|word| word.trim_matches(['\'', '"'])).skip_while(|word| {
        let assigns = word.split_once('=').is_some_and(|(name, _)| !name.starts_with('-'));
        assigns || BEFORE.contains(word)
    });
    let Some(first) = words.next() else { return false };
    names_tmux(first) || (ELSEWHERE.contains(&name(first)) && words.any(names_tmux))
}

fn name(word: &str) -> &str {
    word.rsplit('/').next().unwrap_or(word)
}

fn names_tmux(word: &str) -> bool {
    matches!(name(word), "tmux" | "byobu")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_that_start_tmux() {
        for line in [
            "tmux",
            "tmux attach -t main",
            "TERM=xterm-256color tmux new -s y",
            "exec tmux a",
            "sudo -u root /usr/bin/tmux",
            "cd /srv && tmux",
            "tmux attach || tmux new",
            "ssh -t web tmux a",
            "docker exec -it web 'tmux'",
        ] {
            assert!(is_tmux(line), "{line}");
        }
    }

    #[test]
    fn lines_that_only_name_it() {
        for line in ["", "man tmux", "vi .tmux.conf", "tmux ls; vi x", "echo tmux", "less tmux", "htop"] {
            assert!(!is_tmux(line), "{line}");
        }
    }
}
