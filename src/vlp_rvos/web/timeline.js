element.addEventListener('click', (event) => {
  const track = event.target.closest('.vr-track');
  if (!track) return;
  const box = track.getBoundingClientRect();
  trigger('click', { at: Math.min(1, Math.max(0, (event.clientX - box.left) / box.width)) });
});
element.addEventListener('change', (event) => {
  if (event.target.dataset.thing !== undefined)
    trigger('select', { thing: Number(event.target.dataset.thing), colour: event.target.value });
});
