const moves = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
let at = [0.5, 0.5];
element.tabIndex = 0;
element.setAttribute('role', 'application');
element.setAttribute('aria-label', 'Frame of the video. Arrow keys move a cross, Enter points at what is under it, comma and full stop step through the frames.');
// The style sheet draws the cross: the content of the element is replaced with every step.
const showCross = (place) => {
  at = place;
  element.dataset.cross = '';
  element.style.setProperty('--cross-x', 100 * at[0] + '%');
  element.style.setProperty('--cross-y', 100 * at[1] + '%');
};
element.addEventListener('click', (event) => {
  const frame = element.querySelector('.vr-frame');
  if (!frame || !frame.contains(event.target)) return;
  const box = frame.getBoundingClientRect();
  trigger('click', { x: (event.clientX - box.left) / box.width, y: (event.clientY - box.top) / box.height });
});
element.addEventListener('keydown', (event) => {
  if (!element.querySelector('.vr-frame') || event.ctrlKey || event.altKey || event.metaKey) return;
  const step = event.shiftKey ? 0.05 : 0.01;
  if (moves[event.key]) {
    showCross(at.map((value, i) => Math.min(0.999, Math.max(0, value + step * moves[event.key][i]))));
  } else if (event.key === 'Enter') {
    showCross(at);
    trigger('click', { x: at[0], y: at[1] });
  } else if (event.key === ',' || event.key === '.') trigger('select', { step: event.key === ',' ? -1 : 1 });
  else return;
  event.preventDefault();
});
