// Panels become tabs that follow the arrow keys, and commands get a button that copies them. The page reads without this, too.
document.querySelectorAll('.panels').forEach((box, number) => {
  const panels = [...box.querySelectorAll(':scope > .panel')];
  if (panels.length < 2) return;
  const bar = document.createElement('div');
  bar.className = 'tabs';
  bar.setAttribute('role', 'tablist');
  bar.setAttribute('aria-label', 'Which examples');
  const show = (chosen, focus) => panels.forEach((panel, at) => {
    const tab = bar.children[at];
    panel.hidden = at !== chosen;
    tab.setAttribute('aria-selected', at === chosen);
    tab.tabIndex = at === chosen ? 0 : -1;
    if (at === chosen && focus) tab.focus();
  });
  panels.forEach((panel, at) => {
    const tab = document.createElement('button');
    tab.type = 'button';
    tab.textContent = panel.dataset.title;
    tab.id = `tab-${number}-${at}`;
    panel.id = `panel-${number}-${at}`;
    tab.setAttribute('role', 'tab');
    tab.setAttribute('aria-controls', panel.id);
    panel.setAttribute('role', 'tabpanel');
    panel.setAttribute('aria-labelledby', tab.id);
    tab.onclick = () => show(at);
    tab.onkeydown = event => {
      const next = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: panels.length - 1 }[event.key];
      if (next === undefined) return;
      event.preventDefault();
      show((next + panels.length) % panels.length, true);
    };
    bar.append(tab);
  });
  box.before(bar);
  box.classList.add('tabbed');
  show(0);
});
document.querySelectorAll('.cmd button').forEach(button => {
  button.hidden = !navigator.clipboard;
  button.onclick = () => navigator.clipboard.writeText(button.previousElementSibling.textContent.trim())
    .then(() => { button.textContent = 'Copied'; });
});
