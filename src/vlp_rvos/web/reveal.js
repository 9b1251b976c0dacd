(...values) => {
  const result = document.querySelector('.vr-result');
  if (result.getBoundingClientRect().top > window.innerHeight / 2) result.scrollIntoView({ behavior: 'smooth' });
  return values;
}
