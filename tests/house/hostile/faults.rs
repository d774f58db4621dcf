//! What the gate rests on fails: providers, apps, disks, clocks.
