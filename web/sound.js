// Two short tones, again and again, until somebody acknowledges. No file: the browser makes them.

const EVERY_MS = 4000;
const TONES_HZ = [880, 660];
const TONE_SECONDS = 0.18;

let context = null;
let wanted = false;

/** Turns the sound on or off; a browser lets it sound only after the person did something on the page. */
export function turn(isOn) {
  context ??= isOn ? new AudioContext() : null;
  if (isOn) context.resume();
  else context?.suspend();
}

/** Whether it must sound now. */
export function want(isWanted) {
  if (isWanted && !wanted) beep();
  wanted = isWanted;
}

/** `off`, `on`, or `blocked` by the browser. */
export function state(isOn) {
  if (!isOn) return "off";
  return context?.state === "running" ? "on" : "blocked";
}

function beep() {
  if (context?.state !== "running") return;
  TONES_HZ.forEach((frequency, index) => {
    const begin = context.currentTime + index * TONE_SECONDS;
    const [tone, volume] = [new OscillatorNode(context, { frequency }), new GainNode(context, { gain: 0.3 })];
    volume.gain.setTargetAtTime(0, begin + TONE_SECONDS * 0.7, 0.02);
    tone.connect(volume).connect(context.destination);
    tone.start(begin);
    tone.stop(begin + TONE_SECONDS);
  });
}

setInterval(() => { if (wanted) beep(); }, EVERY_MS);
