let cross = null;
let at = [0.5, 0.5];
element.tabIndex = 0;
element.setAttribute('role', 'application');
element.setAttribute('aria-label', 'Frame of the video. Arrow keys move a cross, Enter points at what is under it, comma and full stop step through the frames.');
element.addEventListener('click', (event) => {
  const frame = element.querySelector('.vr-frame');
  if (!frame || !frame.contains(event.target)) return;
  const box = frame.getBoundingClientRect();
  trigger('click', { x: (event.clientX - box.left) / box.width, y: (event.clientY - box.top) / box.height });
});
element.addEventListener('keydown', (event) => {
  const frame = element.querySelector('.vr-frame');
  if (!frame) return;
  const moves = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
  const step = event.shiftKey ? 0.05 : 0.01;
  if (moves[event.key]) {
    at = at.map((value, i) => Math.min(0.999, Math.max(0, value + step * moves[event.key][i])));
    if (!cross || !frame.contains(cross)) {
      cross = document.createElement('i');
      cross.className = 'vr-cross';
      frame.appendChild(cross);
    }
    cross.style.left = 100 * at[0] + '%';
    cross.style.top = 100 * at[1] + '%';
  } else if (event.key === 'Enter') trigger('click', { x: at[0], y: at[1] });
  else if (event.key === ',' || event.key === '.') trigger('select', { step: event.key === ',' ? -1 : 1 });
  else return;
  event.preventDefault();
});
