# Completes a line in an interactive zsh, in a folder with the completions in the file _zerobus, and
# prints the completions: zsh -f completeInZsh.zsh 'zerobus ing'
zmodload zsh/zpty
cat > inner.zsh <<'INNER'
fpath=($PWD $fpath)
autoload -Uz compinit && compinit -u -D
unsetopt listbeep
compadd() {
  # With one of these options, zsh only computes and offers nothing.
  if [[ "${(j: :)@[1,(i)--]}" == *-[OAD]\ * ]]; then builtin compadd "$@"; return; fi
  local -a offered
  local word
  builtin compadd -O offered "$@"
  for word in $offered; do print -r -- "$word" >> offered; done
  builtin compadd "$@"
}
finish() { print done > finished; exit }
comppostfuncs=(finish)
bindkey '^I' complete-word
PROMPT=READY
INNER
zpty shell zsh -f -i
zpty -w shell 'source ./inner.zsh'
zpty -r shell seen '*READY*'
zpty -w -n shell "$1"$'\t'
while [[ ! -e finished ]] && zpty -t shell; do zpty -r shell seen || break; done
if [[ -e offered ]]; then cat offered; fi
