// Activation by number; the numbers are `Act::code`.
fn activate(x: f32, act: u32) -> f32 {
    if act == 1u {
        return max(x, 0.0);
    }
    if act == 2u {
        // exp overflows past 88; the sigmoid is below every f32 step of 0 long before.
        return 1.0 / (1.0 + exp(min(-x, 80.0)));
    }
    if act == 3u {
        return 0.5 * x * (1.0 + erf(x * 0.70710678));
    }
    if act == 4u {
        return clamp(x, 0.0, 6.0);
    }
    if act == 5u {
        return clamp(x * select(0.28284271, 1.41421356, x > 0.0), -256.0, 256.0);
    }
    return x;
}

fn activate4(x: vec4<f32>, act: u32) -> vec4<f32> {
    if act == 1u {
        return max(x, vec4<f32>(0.0));
    }
    if act == 2u {
        return 1.0 / (1.0 + exp(min(-x, vec4<f32>(80.0))));
    }
    if act == 3u {
        return 0.5 * x * (1.0 + erf4(x * 0.70710678));
    }
    if act == 4u {
        return clamp(x, vec4<f32>(0.0), vec4<f32>(6.0));
    }
    if act == 5u {
        let factor = select(vec4<f32>(0.28284271), vec4<f32>(1.41421356), x > vec4<f32>(0.0));
        return clamp(x * factor, vec4<f32>(-256.0), vec4<f32>(256.0));
    }
    return x;
}

// Error function by the formula of the CPU twin: at most 1.2e-7 off beside the device's exp.
fn erf(x: f32) -> f32 {
    let a = min(abs(x), 10.0);
    let s = a * a;
    let near = a + a * (0.12837917 + s * (-0.37612534 + s * (0.112819925 + s * (-0.026768135 + s * (4.9911942e-3 - s * 5.967617e-4)))));
    let high = (3.8319713e-4 - 1.7285347e-5 * a) * s + (0.024254622 - 3.8839644e-3 * a);
    let far = 1.0 - exp(a * (-0.12871751 + a * (-0.63484669 + a * (-0.10677788 + a * high))) - a);
    let y = select(near, far, a > 0.9277344);
    return select(y, -y, x < 0.0);
}

fn erf4(x: vec4<f32>) -> vec4<f32> {
    let a = min(abs(x), vec4<f32>(10.0));
    let s = a * a;
    let near = a + a * (0.12837917 + s * (-0.37612534 + s * (0.112819925 + s * (-0.026768135 + s * (4.9911942e-3 - s * 5.967617e-4)))));
    let high = (3.8319713e-4 - 1.7285347e-5 * a) * s + (0.024254622 - 3.8839644e-3 * a);
    let far = 1.0 - exp(a * (-0.12871751 + a * (-0.63484669 + a * (-0.10677788 + a * high))) - a);
    let y = select(near, far, a > vec4<f32>(0.9277344));
    return select(y, -y, x < vec4<f32>(0.0));
}
