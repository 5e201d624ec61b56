// Runs beside the page's script, on the thread of the sound: blocks of the microphone, as they come.
class Capture extends AudioWorkletProcessor {
  process(inputs) {
    const channels = inputs[0];
    if (channels.length) {
      const mono = new Float32Array(channels[0]);
      for (const other of channels.slice(1)) other.forEach((value, i) => (mono[i] += value));
      if (channels.length > 1) mono.forEach((value, i) => (mono[i] = value / channels.length));
      this.port.postMessage(mono, [mono.buffer]);
    }
    return true;
  }
}
registerProcessor("capture", Capture);
